//! Recognition of a request's protocol among the enabled ones, while its head arrives.

mod rejection;

use bytes::{Buf, BytesMut};

pub use self::rejection::Rejection;

use crate::error::{HandshakeError, HeadError, Malformed};
use crate::http::{BodyScanner, Head, HeadLimits, HeadScanner, is_host};
use crate::protocol::{Context, Match, Opening, Protocol};
use crate::registry::PROTOCOLS;

/// The server's side of an opening handshake until its protocol is recognised. A second step,
/// [`Recognised::open`], opens it.
#[derive(Debug)]
pub struct Negotiation<'a> {
    protocols: &'a [&'static dyn Protocol],
    limits: HeadLimits,
    scanner: HeadScanner,
}

/// The kind of request that a complete head is.
#[derive(Debug)]
pub enum Negotiated {
    /// An opening handshake; its head has been removed from the buffer.
    WebSocket(Recognised),
    /// An ordinary HTTP request; its head is still in the buffer.
    Http(Head),
}

/// An opening handshake whose protocol is known and that keeps the rules shared by all protocols.
/// Its head can be used to choose the handler and the [`Context`] before it is opened.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// The protocol.
    pub protocol: &'static dyn Protocol,
    /// The head of the request.
    pub head: Head,
}

impl Recognised {
    /// Restricts the protocols: recognises the same head again if its protocol is not among
    /// `protocols`.
    ///
    /// # Errors
    ///
    /// None of them accepts the head. Answer it with [`Rejection::of`].
    pub fn among(self, protocols: &[&'static dyn Protocol]) -> Result<Self, HandshakeError> {
        let name = self.protocol.name();
        if protocols.iter().any(|protocol| protocol.name() == name) {
            return Ok(self);
        }
        let protocol = choose(protocols, &self.head)?;
        let is_spoken = !self.head.is_connect() || protocol.is_spoken_on_streams();
        let head = self.head;
        is_spoken
            .then_some(Self { protocol, head })
            .ok_or(HandshakeError::StreamVersion)
    }

    /// Opens the handshake.
    ///
    /// # Errors
    ///
    /// The head breaks a rule of the protocol itself. Answer it with [`Rejection::of`].
    pub fn open(self, context: &Context) -> Result<Opening, HandshakeError> {
        self.protocol.open(self.head, context)
    }
}

impl<'a> Negotiation<'a> {
    /// Creates a negotiation that has read nothing.
    pub fn new(protocols: &'a [&'static dyn Protocol], limits: HeadLimits) -> Self {
        Self {
            protocols,
            limits,
            scanner: HeadScanner::default(),
        }
    }

    /// Reads the received bytes; returns `None` while the head is incomplete. Bytes that were
    /// searched for its end are not searched again, and the head is parsed once.
    ///
    /// # Errors
    ///
    /// The bytes are not a head of HTTP/1.1, not a valid opening handshake, or an ordinary request
    /// that servers interpret in different ways. Answer it with [`Rejection::of`].
    pub fn advance(&mut self, src: &mut BytesMut) -> Result<Option<Negotiated>, HandshakeError> {
        let Some(len) = self.scanner.advance(src, &self.limits)? else {
            return Ok(None);
        };
        let head = Head::parse(src, len, &self.limits)?;
        if !is_attempt(&head) {
            check_ordinary(&head)?;
            return Ok(Some(Negotiated::Http(head)));
        }
        if let Some(broken) = SHARED_RULES.iter().find(|rule| !rule.holds(&head)) {
            return Err(broken.error.clone());
        }
        let protocol = choose(self.protocols, &head)?;
        src.advance(len);
        Ok(Some(Negotiated::WebSocket(Recognised { protocol, head })))
    }

    /// Recognises an extended CONNECT of HTTP/2 that [`Head::of_connect`] has written.
    ///
    /// # Errors
    ///
    /// It is not a valid opening handshake of a protocol that is supported on streams. Answer it
    /// with [`Rejection::of`].
    pub fn recognise_stream(
        protocols: &[&'static dyn Protocol],
        head: Head,
    ) -> Result<Recognised, HandshakeError> {
        if !has_host(&head) {
            return Err(HandshakeError::Host);
        }
        if head.has("content-length") {
            return Err(HandshakeError::Body);
        }
        let is_own = |protocol: &&&'static dyn Protocol| {
            protocol.is_spoken_on_streams() && protocol.recognise(&head) == Match::Yes
        };
        let protocol = protocols.iter().find(is_own).copied();
        let protocol = protocol.ok_or(HandshakeError::StreamVersion)?;
        Ok(Recognised { protocol, head })
    }
}

/// Returns the protocol that accepts a head.
fn choose(
    protocols: &[&'static dyn Protocol],
    head: &Head,
) -> Result<&'static dyn Protocol, HandshakeError> {
    // Newest first, as most requests are; at most one protocol matches.
    let of = |wanted| {
        let mut newest_first = protocols.iter().rev().copied();
        newest_first.find(|protocol| protocol.recognise(head) == wanted)
    };
    of(Match::Yes)
        .or_else(|| of(Match::Fallback))
        .ok_or_else(|| unrecognised(head))
}

/// True if a request is meant as an opening handshake, even a broken one: `Upgrade` lists
/// `websocket` or nearly that, or a field is present that only WebSocket clients send. Any other
/// upgrade may be ignored (RFC 9110 §7.8): clients offer TLS and HTTP/2 in passing.
fn is_attempt(head: &Head) -> bool {
    let is_hint = |name: &[u8]| {
        let starts = |prefix: &[u8]| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        // The first letter excludes most names.
        matches!(name, [b'S' | b's' | b'W' | b'w', ..])
            && (starts(b"sec-websocket-") || starts(b"websocket-"))
    };
    head.list("upgrade").any(is_nearly_websocket) || head.fields().any(|(name, _)| is_hint(name))
}

/// True if an `Upgrade` value was meant as `websocket`: `web-socket`, `"WebSocket"`,
/// `websockets/13`.
fn is_nearly_websocket(protocol: &[u8]) -> bool {
    const CORE: &[u8] = b"websoc";
    if protocol.eq_ignore_ascii_case(b"websocket") {
        return true;
    }
    let letters = protocol.iter().filter(|byte| byte.is_ascii_alphabetic());
    let letters: Vec<u8> = letters.map(u8::to_ascii_lowercase).collect();
    letters.windows(CORE.len()).any(|part| part == CORE)
}

/// Checks an ordinary request. A request is refused if a proxy in front may read it as two requests
/// or as one for another host, as RFC 9112 demands (§3.2) or allows (§2.2, §6.1, §6.3).
fn check_ordinary(head: &Head) -> Result<(), HandshakeError> {
    let has_no_host = !head.is_http11() && !head.has("host");
    if !has_no_host && !has_host(head) {
        return Err(HandshakeError::Host);
    }
    let has_body = head.has("content-length") || head.has("transfer-encoding");
    if has_body && (head.has_bare_lf() || !BodyScanner::of(head).is_clear()) {
        return Err(HeadError::from(Malformed::Body).into());
    }
    Ok(())
}

/// A rule that all protocols share.
#[derive(Debug)]
pub struct Rule {
    /// The demand as text: `the method is GET`.
    pub demands: &'static str,
    /// The error for a head that breaks the rule.
    pub error: HandshakeError,
    holds: fn(&Head) -> bool,
}

/// The rules that all protocols share (RFC 6455 §4.2.1; each draft has them), in the order in which
/// they are checked.
pub static SHARED_RULES: &[Rule] = &[
    Rule {
        demands: "the method is GET",
        error: HandshakeError::Method,
        holds: |head| head.method() == b"GET",
    },
    Rule {
        demands: "it is HTTP/1.1",
        error: HandshakeError::HttpVersion,
        holds: Head::is_http11,
    },
    Rule {
        demands: "there is one valid Host field",
        error: HandshakeError::Host,
        holds: has_host,
    },
    Rule {
        demands: "the Connection field lists `upgrade`",
        error: HandshakeError::Connection,
        holds: |head| head.lists("connection", "upgrade"),
    },
    Rule {
        demands: "the Upgrade field lists `websocket`",
        error: HandshakeError::Upgrade,
        holds: upgrades,
    },
    Rule {
        demands: "there is no body",
        error: HandshakeError::Body,
        holds: has_no_body,
    },
];

impl Rule {
    /// True if a head keeps the rule.
    pub fn holds(&self, head: &Head) -> bool {
        (self.holds)(head)
    }
}

fn has_host(head: &Head) -> bool {
    let host = head.single("host", HandshakeError::Host);
    host.is_ok_and(|host| host.is_some_and(is_host))
}

/// True if `Upgrade` lists `websocket`. Several tokens in one field are a choice; several fields
/// that differ could be read differently by a proxy and a server.
fn upgrades(head: &Head) -> bool {
    let is_websocket = |token: &[u8]| token.eq_ignore_ascii_case(b"websocket");
    let repeated = head.values("upgrade").nth(1).is_some();
    head.lists("upgrade", "websocket") && (!repeated || head.list("upgrade").all(is_websocket))
}

/// True if no body is announced. Bytes after an upgrade belong to the new protocol, and a body
/// there allows request smuggling; only the eight bytes of hixie-76 are announced as a body by some
/// clients.
fn has_no_body(head: &Head) -> bool {
    let Ok(length) = head.single("content-length", HandshakeError::Body) else {
        return false;
    };
    let allowed = match length {
        None | Some(b"0") => true,
        Some(b"8") => head.has("sec-websocket-key1") && head.has("sec-websocket-key2"),
        Some(_) => false,
    };
    allowed && !head.has("transfer-encoding") && !(head.has_bare_lf() && length.is_some())
}

/// Returns why no enabled protocol accepts a head.
fn unrecognised(head: &Head) -> HandshakeError {
    let mut versions = head.values("sec-websocket-version");
    if let Some(version) = versions.next() {
        let number = !version.is_empty() && version.iter().all(u8::is_ascii_digit);
        let single = versions.next().is_none();
        return if number && single {
            HandshakeError::Version
        } else {
            HandshakeError::MalformedVersion
        };
    }
    let has = |name| head.has(name);
    match (
        has("sec-websocket-key1"),
        has("sec-websocket-key2"),
        has("sec-websocket-key"),
    ) {
        (true, true, false) => match head.value("sec-websocket-draft") {
            None | Some(b"0") => disabled(head).unwrap_or(HandshakeError::Draft),
            Some(_) => HandshakeError::Draft,
        },
        (false, false, true) => HandshakeError::MalformedVersion,
        (true, _, true) | (_, true, true) => HandshakeError::Keys("with Sec-WebSocket-Key as well"),
        (true, false, _) | (false, true, _) => HandshakeError::Keys("one key is missing"),
        (false, false, false) if has("sec-websocket-draft") => {
            HandshakeError::Keys("both are missing")
        }
        // The head has a field of a later protocol, but not what each of those requires.
        (false, false, false) => disabled(head).unwrap_or(HandshakeError::Key),
    }
}

/// Returns the error for a protocol that would accept a head if it were enabled; `None` if there is
/// none.
fn disabled(head: &Head) -> Option<HandshakeError> {
    let own = |protocol: &&&dyn Protocol| protocol.recognise(head) == Match::Yes;
    let protocol = PROTOCOLS.iter().find(own)?;
    Some(HandshakeError::Disabled(protocol.name()))
}
