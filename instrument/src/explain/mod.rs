//! The verdict of a server on the first bytes of a client, and its reasons.
//!
//! The rules, the answer and what each protocol says come from the server's own negotiation, with
//! the server's settings. An explanation adds where a rule is from, and what would make the
//! handshake accepted.
//!
//! ```text
//!   input   the first bytes of a client, out of whatever holds them
//!   remedy  a change that would make a handshake accepted
//!   report  an explanation as text and as JSON
//! ```

mod input;
mod remedy;
mod report;

use bytes::{Bytes, BytesMut};
use polysock::{Origins, Settings};
use polysock_protocols::http::{Head, HeadScanner};
use polysock_protocols::{
    Accept, Context, FirstBytes, HandshakeError, Match, Negotiated, Negotiation, Opening,
    PROTOCOLS, Protocol, RULES, Rejection, flash_policy,
};

use crate::replayable::entropy;

pub use self::input::{Input, InputError};
pub use self::remedy::Remedy;

/// The verdict of a server on the first bytes of a client, and its reasons.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The first line of the request, or what the bytes are.
    pub request: String,
    /// The rules that all protocols share, where there is a head to hold them to.
    pub rules: Vec<Checked>,
    /// The word of each protocol on the head, oldest first.
    pub protocols: Vec<Look>,
    /// The verdict.
    pub verdict: Outcome,
    /// The answer of the server, byte for byte, but for nonces, which are fixed here; empty where it
    /// sends nothing, or an ordinary page.
    pub answer: Bytes,
    /// The remedy, where there is one.
    pub remedy: Option<Remedy>,
}

/// A rule, and whether it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The demand.
    pub demands: &'static str,
    /// Where it is from.
    pub section: Option<&'static str>,
    /// True if the head keeps it.
    pub holds: bool,
}

/// A protocol, and its word on a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Its name.
    pub protocol: &'static str,
    /// True if the server speaks it.
    pub is_enabled: bool,
    /// Its word.
    pub says: Says,
}

/// The word of a protocol on a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// The head is another's, and how that is known.
    No(&'static str),
    /// The head is its own, and breaks a rule.
    Breaks(HandshakeError),
    /// The protocol can serve the head where no other does.
    Fallback,
    /// The head is its own, and valid.
    Yes,
}

/// The verdict on a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The client is let in.
    Accepted {
        /// The protocol it speaks.
        protocol: &'static str,
        /// The bytes that the client still has to send before the handshake is complete.
        waits_for: Option<&'static str>,
    },
    /// The client is turned away.
    Refused {
        /// The status of the answer; `None` where the connection is closed without one.
        status: Option<u16>,
        /// The rule that is broken.
        rule: String,
        /// Where the rule is from, where it is not our own.
        section: Option<&'static str>,
    },
    /// Nothing can be said, and why.
    NotUnderstood(String),
}

impl Explanation {
    /// Explains what a server with these settings, and an application that takes the first
    /// subprotocol, makes of the first bytes of a client.
    pub fn of(client: &[u8], settings: &Settings) -> Self {
        match FirstBytes::of(client) {
            FirstBytes::Http1 => Self::of_http(client, settings),
            FirstBytes::FlashPolicy if settings.flash_policy => Self {
                answer: flash_policy(None).into(),
                ..Self::bare("a Flash policy request", accepted("flash-policy"))
            },
            FirstBytes::FlashPolicy => Self {
                remedy: Some(Remedy::AnswerFlashPolicy),
                ..Self::bare(
                    "a Flash policy request",
                    closed("Flash policies are not enabled"),
                )
            },
            FirstBytes::Tls => Self {
                remedy: Some(Remedy::EndTlsInFront),
                ..Self::bare("TLS", closed("TLS is not spoken on this port"))
            },
            FirstBytes::Http2 if settings.http2 => Self::bare(
                "HTTP/2",
                unclear(
                    "each of its streams has a request, and only those of HTTP/1 are explained",
                ),
            ),
            FirstBytes::Http2 => Self {
                remedy: Some(Remedy::SpeakHttp2),
                ..Self::bare("HTTP/2", closed("HTTP/2 is not enabled"))
            },
            FirstBytes::TooFew if client.is_empty() => {
                Self::bare("nothing", unclear("there are no bytes"))
            }
            FirstBytes::TooFew => {
                Self::bare("too few bytes", unclear("the bytes may begin anything"))
            }
            FirstBytes::Unknown => Self::bare(
                "an unknown protocol",
                unclear("the bytes begin neither HTTP nor TLS; the connection is closed"),
            ),
        }
    }

    fn bare(request: &str, verdict: Outcome) -> Self {
        Self {
            request: request.to_owned(),
            rules: Vec::new(),
            protocols: Vec::new(),
            verdict,
            answer: Bytes::new(),
            remedy: None,
        }
    }

    fn of_http(client: &[u8], settings: &Settings) -> Self {
        let line = client
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let request = line.trim_ascii_end().escape_ascii().to_string();
        let mut src = BytesMut::from(client);
        let outcome = advance(&mut src, settings, &settings.protocols);
        let head = HeadScanner::default()
            .advance(client, &settings.head)
            .and_then(|len| {
                len.map(|len| Head::parse(client, len, &settings.head))
                    .transpose()
            });
        let (rules, protocols) = match head {
            Ok(Some(head)) => (checked(&head), looks(&head, settings)),
            _ => (Vec::new(), Vec::new()),
        };
        let (verdict, answer, remedy) = judge(outcome, &mut src, client, settings);
        Self {
            request,
            rules,
            protocols,
            verdict,
            answer,
            remedy,
        }
    }

    /// True if the client would be let in.
    pub fn is_accepted(&self) -> bool {
        matches!(self.verdict, Outcome::Accepted { .. })
    }
}

fn advance(
    src: &mut BytesMut,
    settings: &Settings,
    protocols: &[&'static dyn Protocol],
) -> Result<Option<Negotiated>, HandshakeError> {
    let mut negotiation = Negotiation::new(protocols, settings.head);
    negotiation.advance(src, &context(settings))
}

/// The server's own context, but for its nonces: the same bytes are explained in the same way.
fn context(settings: &Settings) -> Context {
    Context {
        entropy,
        ..settings.context()
    }
}

fn judge(
    outcome: Result<Option<Negotiated>, HandshakeError>,
    src: &mut BytesMut,
    client: &[u8],
    settings: &Settings,
) -> (Outcome, Bytes, Option<Remedy>) {
    match outcome {
        Ok(Some(Negotiated::WebSocket(opening))) => {
            let origin = opening.request.origin.as_deref();
            if settings.origins.allow(origin) {
                let (verdict, answer) = answer(opening, src, settings);
                return (verdict, answer, None);
            }
            let rejection = Origins::rejection();
            let section = Some("RFC 6455 §10.2");
            let remedy = Remedy::LetOriginIn(origin.map(str::to_owned));
            let verdict = refused(&rejection, section);
            (verdict, written(&rejection), Some(remedy))
        }
        Ok(Some(Negotiated::Http)) => {
            let verdict = Outcome::Refused {
                status: Some(426),
                rule: "it is an ordinary HTTP request, which does not ask to upgrade".into(),
                section: HandshakeError::Upgrade.section(),
            };
            (
                verdict,
                Bytes::new(),
                Some(Remedy::of(&HandshakeError::Upgrade)),
            )
        }
        Ok(None) => {
            let why = format!(
                "the head is not complete: {} bytes and no blank line",
                client.len()
            );
            (Outcome::NotUnderstood(why), Bytes::new(), None)
        }
        Err(error) => {
            let rejection = Rejection::of(&error, &settings.protocols);
            let verdict = refused(&rejection, error.section());
            (
                verdict,
                written(&rejection),
                Some(remedy(&error, client, settings)),
            )
        }
    }
}

/// A remedy for the server, where it would accept with all protocols; else one for elsewhere.
fn remedy(error: &HandshakeError, client: &[u8], settings: &Settings) -> Remedy {
    match advance(&mut BytesMut::from(client), settings, PROTOCOLS) {
        Ok(Some(Negotiated::WebSocket(opening))) => {
            Remedy::speak_protocol(opening.request.protocol, &settings.protocols)
        }
        _ => Remedy::of(error),
    }
}

/// The answer, as far as the server can write it before the client says more.
fn answer(mut opening: Opening, src: &mut BytesMut, settings: &Settings) -> (Outcome, Bytes) {
    let offered = &mut opening.request.subprotocols;
    if !settings.subprotocols.is_empty() {
        // As an application sees them.
        let kept = settings.subprotocols.iter();
        *offered = kept
            .filter(|name| offered.contains(name))
            .cloned()
            .collect();
    }
    let accept = Accept::first_offered(&opening.request);
    let mut dst = BytesMut::new();
    let responded = opening.responder.respond(&accept, src, &mut dst);
    let waits_for = match responded {
        Ok(None) => Some("the eight bytes behind the head"),
        _ => None,
    };
    let protocol = opening.request.protocol;
    (
        Outcome::Accepted {
            protocol,
            waits_for,
        },
        dst.freeze(),
    )
}

fn written(rejection: &Rejection) -> Bytes {
    let mut dst = BytesMut::new();
    rejection.write(&mut dst);
    dst.freeze()
}

fn refused(rejection: &Rejection, section: Option<&'static str>) -> Outcome {
    Outcome::Refused {
        status: Some(rejection.status),
        rule: rejection.body.clone(),
        section,
    }
}

fn accepted(protocol: &'static str) -> Outcome {
    Outcome::Accepted {
        protocol,
        waits_for: None,
    }
}

fn closed(rule: &str) -> Outcome {
    Outcome::Refused {
        status: None,
        rule: rule.to_owned(),
        section: None,
    }
}

fn unclear(why: &str) -> Outcome {
    Outcome::NotUnderstood(why.to_owned())
}

fn checked(head: &Head) -> Vec<Checked> {
    let rules = RULES.iter().map(|rule| Checked {
        demands: rule.demands,
        section: rule.error.section(),
        holds: rule.holds(head),
    });
    rules.collect()
}

fn looks(head: &Head, settings: &Settings) -> Vec<Look> {
    let context = context(settings);
    let look = |protocol: &&'static dyn Protocol| {
        let matched = protocol.recognise(head);
        let says = match (matched, protocol.open(head.clone(), &context)) {
            (Match::No(why), _) => Says::No(why),
            (_, Err(error)) => Says::Breaks(error),
            (Match::Fallback, Ok(_)) => Says::Fallback,
            (Match::Yes, Ok(_)) => Says::Yes,
        };
        let name = protocol.name();
        let is_enabled = settings
            .protocols
            .iter()
            .any(|enabled| enabled.name() == name);
        Look {
            protocol: name,
            is_enabled,
            says,
        }
    };
    PROTOCOLS.iter().map(look).collect()
}
