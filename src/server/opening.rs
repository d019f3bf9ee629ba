//! The detection of a connection's protocol by its first bytes.
//!
//! ```text
//!   16                TLS               if enabled: detection starts again on the decrypted bytes
//!   "<policy-file-"   Flash             if enabled: the socket policy
//!   "PRI * HTTP/2"    HTTP/2            streams, each a WebSocket or an ordinary request
//!   a method          HTTP/1            a WebSocket of any protocol, or an ordinary request
//!   anything else                       closed without an answer: it may be another protocol
//! ```
//!
//! Where only TLS is accepted, requests of HTTP/1 in plain text are redirected or refused, and
//! HTTP/2 in plain text is closed. TLS inside TLS is not supported.
//!
//! Empty lines at the beginning are ignored, as before a later request. If the peer is a proxy that
//! has to send a PROXY header, that header precedes everything else.
//!
//! This module only detects the protocol. The gateway serves the connection, and `polysock explain`
//! prints the result.

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

use super::admission::LimitReached;
use super::{PortSettings, insecure};
use crate::transport::Io;

/// The detected kind of a connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Opened {
    /// A WebSocket: its protocol, and the head, which has been removed from the buffer.
    WebSocket(Recognised),
    /// An ordinary request of HTTP/1. Its head is still in the buffer.
    Http1(Head),
    /// HTTP/2. Its preface is still in the buffer.
    Http2,
    /// A request for Flash's socket policy, and the port on which it arrived.
    FlashPolicy(Option<u16>),
    /// TLS. Its first bytes are still in the buffer.
    Tls,
    /// A request in plain text where only TLS is accepted, and the answer to it.
    Insecure(Rejection),
    /// A request that is not a valid opening handshake, or is one of a protocol that is not
    /// enabled.
    Refused(HandshakeError),
    /// A protocol that is not enabled. The connection is closed without an answer.
    Closed(FirstBytes),
}

/// A detector for the kind of a connection, which is given bytes as they arrive.
#[derive(Debug)]
pub struct Opener<'a> {
    settings: &'a PortSettings,
    /// The port on which the connection arrived; `None` if it has none.
    port: Option<u16>,
    negotiation: Negotiation<'a>,
    speaks_tls: bool,
    takes_plain: bool,
}

impl<'a> Opener<'a> {
    /// Creates a detector. The port is named in a Flash policy.
    pub fn new(settings: &'a PortSettings, port: Option<u16>) -> Self {
        Self {
            settings,
            port,
            negotiation: Negotiation::new(&settings.protocols, settings.head),
            speaks_tls: settings.speaks_tls(),
            takes_plain: settings.takes_plain(),
        }
    }

    /// Accepts plain text too if the client is secure because a proxy has terminated TLS.
    #[must_use]
    pub(super) fn secure(self, is_secure: bool) -> Self {
        Self {
            takes_plain: self.takes_plain || is_secure,
            ..self
        }
    }

    /// Prepares for the bytes inside TLS.
    #[must_use]
    #[cfg(feature = "tls")]
    pub(super) fn inside(self) -> Self {
        Self {
            speaks_tls: false,
            takes_plain: true,
            ..self
        }
    }

    /// Examines the received bytes; `None` if more are needed.
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

    /// Examines bytes that can only be a request of HTTP/1, as after another request; `None` while
    /// its head is incomplete.
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

/// The reason why a connection was not opened.
#[derive(Debug)]
pub(super) enum Unopened {
    /// The peer disconnected.
    Gone,
    /// The peer sent nothing until the deadline.
    Silent,
    /// The peer sent too little until the deadline to detect the protocol.
    Unclear,
    /// The request was not complete at the deadline. Contains the answer.
    Late(Rejection),
    /// The PROXY header that the peer has to send is missing or invalid.
    Unproxied(ProxyHeaderError),
    /// The client that the PROXY header names may not connect.
    Denied,
    /// A limit is reached for the client that the PROXY header names.
    LimitReached(LimitReached),
    /// The TLS handshake failed with this error.
    #[cfg(feature = "tls")]
    Insecure(io::Error),
}

/// The time that a policy request may take from its first byte. Flash sends it in one piece.
const POLICY_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads a PROXY header. Bytes after it stay in the buffer.
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

/// Reads until the kind of a connection is clear or the deadline has passed. The buffer may contain
/// bytes already.
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
