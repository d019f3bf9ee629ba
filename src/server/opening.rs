//! What a connection is, by what comes first.
//!
//! ```text
//!   16                TLS               where enabled: a handshake, and all of this again inside
//!   "<policy-file-"   Flash             the socket policy, where enabled
//!   "PRI * HTTP/2"    HTTP/2            streams, each a WebSocket or an ordinary request
//!   a method          HTTP/1            a WebSocket of some protocol, or an ordinary request
//!   anything else                       closed without an answer: it may be another protocol
//! ```
//!
//! Where plain text is not welcome beside TLS, requests of HTTP/1 in it are told so, and HTTP/2 is closed.
//! There is no TLS inside of TLS.
//!
//! Empty lines before any of it are ignored, as before a later request. Where the peer is a proxy that
//! is trusted to say for whom it connects, a header of the PROXY protocol stands before it all.
//!
//! Nothing is done about it here: the gateway finishes it, and `polysock explain` prints it.

#[cfg(feature = "tls")]
use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use polysock_protocols::http::{Head, empty_lines};
use polysock_protocols::{
    FirstBytes, HandshakeError, Negotiated, Negotiation, ProxyHeader, ProxyHeaderError, Recognised,
    Rejection,
};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};

use super::admission::Full;
use super::{PortSettings, insecure};
use crate::transport::Io;

/// What a connection turned out to be.
#[derive(Debug)]
#[non_exhaustive]
pub enum Opened {
    /// A WebSocket: its protocol, and the head, which has been taken off the buffer.
    WebSocket(Recognised),
    /// An ordinary request of HTTP/1, whose head is still in the buffer.
    Http1(Head),
    /// HTTP/2, with its preface still in the buffer.
    Http2,
    /// A request of Flash's for the socket policy, and the port that it has come in on.
    FlashPolicy(Option<u16>),
    /// The beginning of TLS, still in the buffer.
    Tls,
    /// A request in plain text where that is not welcome, and what it is told.
    Insecure(Rejection),
    /// A request that is no valid opening handshake, or none of a protocol that is spoken here.
    Refused(HandshakeError),
    /// What is not enabled here; it is closed without an answer.
    Closed(FirstBytes),
}

/// Tells what a connection is, from bytes as they come.
#[derive(Debug)]
pub struct Opener<'a> {
    settings: &'a PortSettings,
    /// The port that it came in on.
    port: Option<u16>,
    negotiation: Negotiation<'a>,
    speaks_tls: bool,
    takes_plain: bool,
}

impl<'a> Opener<'a> {
    /// Begins with nothing, on a port that is named in a Flash policy.
    pub fn new(settings: &'a PortSettings, port: Option<u16>) -> Self {
        Self {
            settings,
            port,
            negotiation: Negotiation::new(&settings.protocols, settings.head),
            speaks_tls: settings.speaks_tls(),
            takes_plain: settings.takes_plain(),
        }
    }

    /// The same, for a client that is secure whatever it speaks, where that is so: TLS has ended at a proxy.
    #[must_use]
    pub(super) fn secure(self, is_secure: bool) -> Self {
        Self {
            takes_plain: self.takes_plain || is_secure,
            ..self
        }
    }

    /// The same, for what is inside of TLS.
    #[must_use]
    #[cfg(feature = "tls")]
    pub(super) fn inside(self) -> Self {
        Self {
            speaks_tls: false,
            takes_plain: true,
            ..self
        }
    }

    /// Looks at what has come; `None` while that is too little.
    pub fn advance(&mut self, incoming: &mut BytesMut) -> Option<Opened> {
        let settings = self.settings;
        incoming.advance(empty_lines(incoming));
        match FirstBytes::of(incoming) {
            FirstBytes::TooFew => None,
            FirstBytes::Http1 if self.takes_plain => self.advance_request(incoming),
            FirstBytes::Http1 => Some(match self.advance_request(incoming)? {
                Opened::WebSocket(_) => Opened::Insecure(insecure::websocket()),
                Opened::Http1(head) => Opened::Insecure(insecure::request(&head)),
                other => other,
            }),
            FirstBytes::Http2 if settings.http2 && self.takes_plain => Some(Opened::Http2),
            FirstBytes::Tls if self.speaks_tls => Some(Opened::Tls),
            FirstBytes::FlashPolicy if settings.flash_policy => {
                Some(Opened::FlashPolicy(self.port))
            }
            other @ (FirstBytes::FlashPolicy
            | FirstBytes::Tls
            | FirstBytes::Http2
            | FirstBytes::Unknown) => Some(Opened::Closed(other)),
        }
    }

    /// Looks at what can only be a request of HTTP/1, as behind another; `None` while its head is
    /// incomplete.
    pub(crate) fn advance_request(&mut self, incoming: &mut BytesMut) -> Option<Opened> {
        incoming.advance(empty_lines(incoming));
        let negotiated = match self.negotiation.advance(incoming) {
            Ok(None) => return None,
            Ok(Some(Negotiated::WebSocket(recognised))) => Opened::WebSocket(recognised),
            Ok(Some(Negotiated::Http(head))) => Opened::Http1(head),
            Err(error) => Opened::Refused(error),
        };
        // The next head begins from the start.
        self.negotiation = Negotiation::new(&self.settings.protocols, self.settings.head);
        Some(negotiated)
    }
}

/// Why nothing was opened.
#[derive(Debug)]
pub(super) enum Unopened {
    /// The peer went away.
    Gone,
    /// It said nothing up to the deadline.
    Silent,
    /// Up to the deadline it did not say enough to tell what it is.
    Unclear,
    /// Its request was not complete by then; what it is told.
    Late(Rejection),
    /// It does not say for whom it is, as it has to.
    Unproxied(ProxyHeaderError),
    /// It is for somebody who may not come.
    Denied,
    /// There is no room for one more of the address that it is from.
    Full(Full),
    /// The handshake of TLS failed, and why.
    #[cfg(feature = "tls")]
    Insecure(io::Error),
}

/// How long a policy request may take from its first byte on: Flash sends it whole.
const POLICY_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads the header that says for whom a proxy connects; what has come behind it is left.
pub(super) async fn read_proxy_header(
    transport: &mut Io,
    incoming: &mut BytesMut,
    deadline: Instant,
) -> Result<ProxyHeader, Unopened> {
    loop {
        match timeout_at(deadline, transport.read_buf(incoming)).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) => return Err(Unopened::Gone),
            Err(_) if incoming.is_empty() => return Err(Unopened::Silent),
            Err(_) => return Err(Unopened::Unclear),
        }
        match ProxyHeader::read(incoming) {
            Ok(None) => {}
            Ok(Some(header)) => return Ok(header),
            Err(error) => return Err(Unopened::Unproxied(error)),
        }
    }
}

/// Reads until it is clear what a connection is, or the deadline is over. Something may have been read
/// already.
pub(super) async fn read(
    transport: &mut Io,
    incoming: &mut BytesMut,
    mut opener: Opener<'_>,
    mut deadline: Instant,
) -> Result<Opened, Unopened> {
    incoming.reserve(1024);
    let mut opened = opener.advance(incoming);
    loop {
        if let Some(opened) = opened {
            return Ok(opened);
        }
        match timeout_at(deadline, transport.read_buf(incoming)).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) => return Err(Unopened::Gone),
            Err(_) => {
                return Err(match FirstBytes::of(incoming) {
                    FirstBytes::Http1 => Unopened::Late(Rejection::timeout()),
                    _ if incoming.is_empty() => Unopened::Silent,
                    _ => Unopened::Unclear,
                });
            }
        }
        opened = opener.advance(incoming);
        if incoming.starts_with(b"<") {
            deadline = deadline.min(Instant::now() + POLICY_TIMEOUT);
        }
    }
}
