//! What a connection is, by its first bytes.
//!
//! ```text
//!   16 03             TLS               not enabled: closed
//!   "<policy-file-"   Flash             the socket policy, where enabled
//!   "PRI * HTTP/2"    HTTP/2            streams, each a WebSocket or an ordinary request
//!   a method          HTTP/1            a WebSocket of some protocol, or an ordinary request
//!   anything else                       closed without an answer: it may be another protocol
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use polysock_protocols::{
    FirstBytes, HandshakeError, Negotiated, Negotiation, Opening, Protocol, Rejection, WriteBuf,
    flash_policy,
};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::settings::Settings;
use crate::connection::ShutdownSignal;
use crate::handshake::{Handshake, Pending, Way, refuse};
use crate::http::http2;
use crate::transport::{CloseOrder, Io, linger};

/// What a connection turned out to be.
#[derive(Debug)]
pub(crate) enum Sniffed {
    /// A WebSocket.
    WebSocket(Handshake),
    /// Ordinary HTTP/1; what was read comes first.
    Http(BytesMut, Io),
    /// HTTP/2.
    Http2(Box<http2::Connection>),
    /// It has been dealt with.
    Done,
}

/// A connection that has just been accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) transport: Io,
    pub(crate) peer: Option<SocketAddr>,
    /// What has been read already, where requests came before.
    pub(crate) incoming: BytesMut,
    /// The port it came in on, for the Flash policy.
    pub(crate) port: Option<u16>,
}

/// Reads until it is clear what a connection is, or the deadline is over.
pub(crate) async fn sniff(
    mut accepted: Accepted,
    settings: &Settings,
    closer: &ShutdownSignal,
) -> Sniffed {
    let mut deadline = Instant::now() + settings.handshake_timeout;
    let mut incoming = std::mem::take(&mut accepted.incoming);
    let mut is_unread = !incoming.is_empty();
    incoming.reserve(1024);
    let mut negotiation = Negotiation::new(&settings.protocols, settings.head);
    loop {
        let read = if std::mem::take(&mut is_unread) {
            Ok(Ok(incoming.len()))
        } else {
            timeout_at(deadline, accepted.transport.read_buf(&mut incoming)).await
        };
        match read {
            Ok(Ok(1..)) => {}
            Ok(end) => {
                debug!(?end, peer = ?accepted.peer, "gone before its request was complete");
                return Sniffed::Done;
            }
            Err(_) => {
                if !incoming.is_empty() && FirstBytes::of(&incoming) == FirstBytes::Http1 {
                    refuse(accepted.transport, &Rejection::timeout());
                }
                return Sniffed::Done;
            }
        }
        match FirstBytes::of(&incoming) {
            FirstBytes::TooFew if incoming.starts_with(b"<") => {
                deadline = deadline.min(Instant::now() + POLICY_TIMEOUT);
            }
            FirstBytes::TooFew => {}
            FirstBytes::FlashPolicy if settings.flash_policy => {
                send_policy(accepted);
                return Sniffed::Done;
            }
            FirstBytes::Http2 if settings.http2 => {
                return Box::pin(http2(accepted, incoming, settings, deadline)).await;
            }
            other @ (FirstBytes::FlashPolicy
            | FirstBytes::Tls
            | FirstBytes::Http2
            | FirstBytes::Unknown) => {
                debug!(first = ?other, peer = ?accepted.peer, "not enabled: closed");
                return Sniffed::Done;
            }
            FirstBytes::Http1 => match negotiate(&mut negotiation, &mut incoming, settings) {
                Ok(None) => {}
                Ok(Some(None)) => return Sniffed::Http(incoming, accepted.transport),
                Ok(Some(Some(opening))) => {
                    let pending = Pending {
                        way: Way::Upgrade {
                            transport: accepted.transport,
                            incoming,
                            responder: opening.responder,
                        },
                        session: settings.session(),
                        deadline,
                        peer: accepted.peer,
                        closer: closer.clone(),
                    };
                    let handshake = Handshake::new(opening.request, pending);
                    return Sniffed::WebSocket(handshake);
                }
                Err(error) => {
                    refuse_invalid(accepted, &error, &settings.protocols);
                    return Sniffed::Done;
                }
            },
        }
    }
}

/// What a complete head asks for: `Some(None)` is an ordinary HTTP request.
fn negotiate(
    negotiation: &mut Negotiation<'_>,
    incoming: &mut BytesMut,
    settings: &Settings,
) -> Result<Option<Option<Opening>>, HandshakeError> {
    Ok(match negotiation.advance(incoming)? {
        None => None,
        Some(Negotiated::Http) => Some(None),
        Some(Negotiated::WebSocket(recognised)) => {
            Some(Some(recognised.open(&settings.context())?))
        }
    })
}

async fn http2(
    accepted: Accepted,
    incoming: BytesMut,
    settings: &Settings,
    deadline: Instant,
) -> Sniffed {
    let over_streams = |protocol: &&dyn Protocol| protocol.is_spoken_on_streams();
    let has_websockets = settings.protocols.iter().any(over_streams);
    let transport = accepted.transport;
    let max_head = settings.head.head;
    let opening = http2::Connection::open(incoming, transport, max_head, has_websockets, deadline);
    match timeout_at(deadline, opening).await {
        Ok(Ok(connection)) => Sniffed::Http2(Box::new(connection)),
        end => {
            debug!(?end, peer = ?accepted.peer, "no HTTP/2 after all");
            Sniffed::Done
        }
    }
}

fn refuse_invalid(accepted: Accepted, error: &HandshakeError, protocols: &[&'static dyn Protocol]) {
    let rejection = Rejection::of(error, protocols);
    tracing::info!(
        peer = accepted.peer.map(tracing::field::display),
        status = rejection.status,
        reason = %error,
        "refuse"
    );
    refuse(accepted.transport, &rejection);
}

/// How long a policy request may take from its first byte on: Flash sends it whole.
const POLICY_TIMEOUT: Duration = Duration::from_secs(1);

fn send_policy(accepted: Accepted) {
    let policy = flash_policy(accepted.port);
    let mut final_bytes = WriteBuf::new();
    final_bytes.put_slice(policy.as_bytes());
    linger(accepted.transport, final_bytes, CloseOrder::WeFirst);
}
