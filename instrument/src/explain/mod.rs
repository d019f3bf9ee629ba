//! The verdict of a server on the first bytes of a client, and its reasons.
//!
//! Nothing is decided here: the server's own opening says what the bytes are, its site lets the client
//! in, and the protocols answer. An explanation adds where a rule is from, and what would make the
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
                let each =
                    "each of its streams has a request, and only those of HTTP/1 are explained";
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
            return Self::bare("too few bytes", unclear("the bytes may begin anything"));
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

    /// Explains what is closed without an answer.
    fn of_closed(first: FirstBytes) -> Self {
        let (request, rule, remedy) = match first {
            FirstBytes::FlashPolicy => (
                FLASH,
                "Flash policies are not enabled",
                Remedy::AnswerFlashPolicy,
            ),
            FirstBytes::Tls => (
                "TLS",
                "TLS is not spoken on this port",
                Remedy::EndTlsInFront,
            ),
            FirstBytes::Http2 => (HTTP2, "HTTP/2 is not enabled", Remedy::SpeakHttp2),
            FirstBytes::TooFew | FirstBytes::Http1 | FirstBytes::Unknown => {
                let neither = "the bytes begin neither HTTP nor TLS; the connection is closed";
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

    /// The same, with stand-ins for the secrets in what is shown of the request and of the answer;
    /// `client` is what the client said. A stand-in has the length of what it stands for.
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

    /// True if the client would be let in.
    pub fn is_accepted(&self) -> bool {
        matches!(self.verdict, Outcome::Accepted { .. })
    }
}

const FLASH: &str = "a Flash policy request";
const HTTP2: &str = "HTTP/2";

/// What becomes of a request.
struct Judged {
    verdict: Outcome,
    answer: Bytes,
    remedy: Option<Remedy>,
}

/// Opens a handshake as its site does, and answers as far as the server can before the client says
/// more.
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
    // Where it is from is not known, and this machine may speak anything.
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
        Ok(None) => Some("the eight bytes behind the head"),
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

/// A remedy for the server, where it would accept with all protocols; else one for elsewhere.
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
