//! The verdict of a server on the first bytes of a client, and its reasons.
//!
//! This module makes no decisions itself. The server's own opening code recognises the bytes, its
//! site admits the client, and the protocols answer. An explanation adds the source of each rule,
//! and a change that would make the handshake accepted.
//!
//! ```text
//!   input   the first bytes of a client: raw, a transcript, a hex dump or a capture
//!   remedy  a change that would make a handshake accepted
//!   report  an explanation as text and as JSON
//! ```

mod input;
mod remedy;
mod report;

use bytes::{Bytes, BytesMut};
use polysock::{Opened, Opener, Peer, PortSettings};
use polysock_protocols::http::{Head, HeadScanner, empty_lines};
use polysock_protocols::{
    Accept, FirstBytes, HandshakeError, Match, Opening, PROTOCOLS, Protocol, Recognised, Rejection,
    SHARED_RULES, Secrets, flash_policy,
};

use crate::head;
use crate::replayable::ServerSettings;

pub use self::input::{Input, InputError};
pub use self::remedy::Remedy;

/// The verdict of a server on the first bytes of a client, and its reasons.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The first line of the request, or a description of the bytes.
    pub request: String,
    /// The rules that all protocols share. Empty if there is no complete head.
    pub rules: Vec<Checked>,
    /// The verdict of each protocol on the head, oldest protocol first.
    pub protocols: Vec<Look>,
    /// The verdict.
    pub verdict: Outcome,
    /// The answer of the server, byte for byte, except that nonces are fixed. Empty if the server
    /// sends nothing, or an ordinary page.
    pub answer: Bytes,
    /// A change that would make the handshake accepted, if one is known.
    pub remedy: Option<Remedy>,
}

/// A rule, and whether the head follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The requirement.
    pub demands: &'static str,
    /// The section that the rule is from.
    pub section: Option<&'static str>,
    /// True if the head follows the rule.
    pub holds: bool,
}

/// A protocol, and its verdict on a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Its name.
    pub protocol: &'static str,
    /// True if the server speaks it.
    pub is_enabled: bool,
    /// Its verdict.
    pub says: Says,
}

/// The verdict of a protocol on a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// The head is not of this protocol, for this reason.
    No(&'static str),
    /// The head is of this protocol, and breaks a rule.
    Breaks(HandshakeError),
    /// The protocol can serve the head if no other does.
    Fallback,
    /// The head is of this protocol, and valid.
    Yes,
}

/// The verdict on a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The client is admitted.
    Accepted {
        /// The protocol it speaks.
        protocol: &'static str,
        /// The bytes that the client must still send to complete the handshake. `None` if it is
        /// complete.
        waits_for: Option<&'static str>,
    },
    /// The client is refused.
    Refused {
        /// The status of the answer. `None` if the connection is closed without an answer.
        status: Option<u16>,
        /// The rule that is broken.
        rule: String,
        /// The section that the rule is from. `None` if it is Polysock's own rule.
        section: Option<&'static str>,
    },
    /// The bytes cannot be judged, for this reason.
    NotUnderstood(String),
}

impl Explanation {
    /// Explains the verdict on the first bytes of a client, for a server with these settings and an
    /// application that selects the first subprotocol.
    pub fn of(client: &[u8], settings: &ServerSettings) -> Self {
        let client = client.get(empty_lines(client)..).unwrap_or_default();
        let mut incoming = BytesMut::from(client);
        let opened = Opener::new(&settings.port, None).advance(&mut incoming);
        let judged = match opened {
            None => return Self::of_too_little(client, settings),
            Some(Opened::WebSocket(recognised)) => {
                answer(recognised, &mut incoming, client, settings)
            }
            Some(Opened::Http1(_)) => Judged {
                verdict: Outcome::Refused {
                    status: Some(426),
                    rule: "it is an ordinary HTTP request, which does not ask for a WebSocket"
                        .into(),
                    section: HandshakeError::Upgrade.section(),
                },
                answer: Bytes::new(),
                remedy: Some(Remedy::of(&HandshakeError::Upgrade)),
            },
            Some(Opened::Refused(error)) => refuse(&error, client, settings),
            Some(Opened::FlashPolicy(port)) => {
                let domains = settings.site.origins.flash_domains();
                return Self {
                    answer: flash_policy(port, domains.as_deref()).into(),
                    ..Self::bare(FLASH, accepted("flash-policy"))
                };
            }
            Some(Opened::Http2) => {
                let each = "only requests of HTTP/1 are explained";
                return Self::bare(HTTP2, unclear(each));
            }
            Some(Opened::Closed(first)) => return Self::of_closed(first),
            Some(other) => return Self::bare("unknown", unclear(&format!("{other:?}"))),
        };
        Self::of_request(client, settings, judged)
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

    fn of_too_little(client: &[u8], settings: &ServerSettings) -> Self {
        if client.is_empty() {
            return Self::bare("nothing", unclear("there are no bytes"));
        }
        if FirstBytes::of(client) != FirstBytes::Http1 {
            return Self::bare(
                "too few bytes",
                unclear("more bytes are needed to recognise the protocol"),
            );
        }
        let len = client.len();
        let why = format!("the head is not complete: {len} bytes and no blank line");
        let judged = Judged {
            verdict: Outcome::NotUnderstood(why),
            answer: Bytes::new(),
            remedy: None,
        };
        Self::of_request(client, settings, judged)
    }

    /// Explains bytes that are closed without an answer.
    fn of_closed(first: FirstBytes) -> Self {
        let (request, rule, remedy) = match first {
            FirstBytes::FlashPolicy => (
                FLASH,
                "Flash policies are not enabled",
                Remedy::AnswerFlashPolicy,
            ),
            FirstBytes::Tls => (
                "TLS",
                "TLS is not enabled on this port",
                Remedy::EndTlsInFront,
            ),
            FirstBytes::Http2 => (HTTP2, "HTTP/2 is not enabled", Remedy::SpeakHttp2),
            FirstBytes::TooFew | FirstBytes::Http1 | FirstBytes::Unknown => {
                let neither = "the bytes are neither HTTP nor TLS; the connection is closed";
                return Self::bare("an unknown protocol", unclear(neither));
            }
        };
        Self {
            remedy: Some(remedy),
            ..Self::bare(request, closed(rule))
        }
    }

    fn of_request(client: &[u8], settings: &ServerSettings, judged: Judged) -> Self {
        let line = client
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let request = line.trim_ascii_end().escape_ascii().to_string();
        let limits = &settings.port.head;
        let head = HeadScanner::default()
            .advance(client, limits)
            .and_then(|len| len.map(|len| Head::parse(client, len, limits)).transpose());
        let (rules, protocols) = match head {
            Ok(Some(head)) => (checked(&head), looks(&head, settings)),
            _ => (Vec::new(), Vec::new()),
        };
        let Judged {
            verdict,
            answer,
            remedy,
        } = judged;
        Self {
            request,
            rules,
            protocols,
            verdict,
            answer,
            remedy,
        }
    }

    /// Replaces secrets in the request and the answer by stand-ins of the same length. `client` is
    /// the client's bytes.
    #[must_use]
    pub fn without_secrets(mut self, client: &[u8]) -> Self {
        let head = |bytes: &[u8]| head::len(bytes).unwrap_or(bytes.len());
        let mut secrets = Secrets::default();
        secrets.collect(client.get(..head(client)).unwrap_or_default());
        secrets.collect(&self.answer);
        let mut request = self.request.into_bytes();
        secrets.replace(&mut request);
        self.request = String::from_utf8_lossy(&request).into_owned();
        let mut answer = BytesMut::from(self.answer);
        let len = head(&answer);
        secrets.replace(answer.get_mut(..len).unwrap_or_default());
        self.answer = answer.freeze();
        self
    }

    /// True if the client would be admitted.
    pub fn is_accepted(&self) -> bool {
        matches!(self.verdict, Outcome::Accepted { .. })
    }
}

const FLASH: &str = "a Flash policy request";
const HTTP2: &str = "HTTP/2";

/// The verdict on a request, with its answer.
struct Judged {
    verdict: Outcome,
    answer: Bytes,
    remedy: Option<Remedy>,
}

/// Opens a handshake as the site does, and answers as far as possible without further bytes.
fn answer(
    recognised: Recognised,
    incoming: &mut BytesMut,
    client: &[u8],
    settings: &ServerSettings,
) -> Judged {
    let Opening {
        mut request,
        mut responder,
    } = match recognised.open(&settings.context()) {
        Ok(opening) => opening,
        Err(error) => return refuse(&error, client, settings),
    };
    // The client's address is unknown. The default peer is this machine, which may use any
    // protocol.
    if let Err(rejection) = settings.site.admit(&mut request, &Peer::default()) {
        let origin = request.origin.as_deref();
        return Judged {
            verdict: refused(&rejection, Some("RFC 6455 §10.2")),
            answer: written(&rejection),
            remedy: Some(Remedy::LetOriginIn(origin.map(str::to_owned))),
        };
    }
    let accept = Accept::first_offered(&request);
    let mut answer = BytesMut::new();
    let waits_for = match responder.respond(&accept, incoming, &mut answer) {
        Ok(None) => Some("the eight bytes after the head"),
        _ => None,
    };
    Judged {
        verdict: Outcome::Accepted {
            protocol: request.protocol.name(),
            waits_for,
        },
        answer: answer.freeze(),
        remedy: None,
    }
}

fn refuse(error: &HandshakeError, client: &[u8], settings: &ServerSettings) -> Judged {
    let rejection = Rejection::of(error, &settings.port.protocols);
    Judged {
        verdict: refused(&rejection, error.section()),
        answer: written(&rejection),
        remedy: Some(remedy(error, client, settings)),
    }
}

/// Returns a change of the server's settings if enabling all protocols would help, else one
/// elsewhere.
fn remedy(error: &HandshakeError, client: &[u8], settings: &ServerSettings) -> Remedy {
    let everything = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        ..settings.port.clone()
    };
    let opened = Opener::new(&everything, None).advance(&mut BytesMut::from(client));
    let Some(Opened::WebSocket(recognised)) = opened else {
        return Remedy::of(error);
    };
    let protocol = recognised.protocol.name();
    match recognised.open(&settings.context()) {
        Ok(_) => Remedy::speak_protocol(protocol, &settings.port.protocols),
        Err(_) => Remedy::of(error),
    }
}

fn written(rejection: &Rejection) -> Bytes {
    let mut dst = BytesMut::new();
    rejection.write(&mut dst);
    dst.freeze()
}

fn refused(rejection: &Rejection, section: Option<&'static str>) -> Outcome {
    Outcome::Refused {
        status: Some(rejection.status),
        rule: rejection.reason().into(),
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
    let rules = SHARED_RULES.iter().map(|rule| Checked {
        demands: rule.demands,
        section: rule.error.section(),
        holds: rule.holds(head),
    });
    rules.collect()
}

fn looks(head: &Head, settings: &ServerSettings) -> Vec<Look> {
    let context = settings.context();
    let look = |protocol: &&'static dyn Protocol| {
        let matched = protocol.recognise(head);
        let says = match (matched, protocol.open(head.clone(), &context)) {
            (Match::No(why), _) => Says::No(why),
            (_, Err(error)) => Says::Breaks(error),
            (Match::Fallback, Ok(_)) => Says::Fallback,
            (Match::Yes, Ok(_)) => Says::Yes,
        };
        let name = protocol.name();
        let mut enabled = settings.port.protocols.iter();
        let is_enabled = enabled.any(|enabled| enabled.name() == name);
        Look {
            protocol: name,
            is_enabled,
            says,
        }
    };
    PROTOCOLS.iter().map(look).collect()
}
