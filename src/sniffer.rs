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
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use polysock_protocols::{HandshakeError, Negotiated, Negotiation, Protocol, Rejection, WriteBuf};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::handshake::{Handshake, Pending, Way, refuse};
use crate::http2;
use crate::settings::Settings;
use crate::shutdown::Closer;
use crate::transport::{Carrier, HangUp, linger};

/// What a connection turned out to be.
#[derive(Debug)]
pub(crate) enum Sniffed {
    /// A WebSocket.
    WebSocket(Handshake),
    /// Ordinary HTTP/1; what was read comes first.
    Http(BytesMut, Carrier),
    /// HTTP/2.
    Http2(Box<http2::Connection>),
    /// It has been dealt with.
    Done,
}

/// A connection that has just been accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) transport: Carrier,
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
    closer: &Arc<Closer>,
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
                if !incoming.is_empty() && first(&incoming) == First::Http1 {
                    refuse(accepted.transport, &too_slow());
                }
                return Sniffed::Done;
            }
        }
        match first(&incoming) {
            First::Unclear if incoming.starts_with(b"<") => {
                deadline = deadline.min(Instant::now() + POLICY_TIMEOUT);
            }
            First::Unclear => {}
            First::FlashPolicy if settings.flash_policy => {
                send_policy(accepted);
                return Sniffed::Done;
            }
            First::Http2 if settings.http2 => {
                return Box::pin(http2(accepted, incoming, settings, deadline)).await;
            }
            other @ (First::FlashPolicy | First::Tls | First::Http2 | First::Unknown) => {
                debug!(first = ?other, peer = ?accepted.peer, "not enabled: closed");
                return Sniffed::Done;
            }
            First::Http1 => match negotiation.advance(&mut incoming, &settings.context()) {
                Ok(None) => {}
                Ok(Some(Negotiated::Http)) => {
                    return Sniffed::Http(incoming, accepted.transport);
                }
                Ok(Some(Negotiated::WebSocket(opening))) => {
                    let pending = Pending {
                        way: Way::Upgrade {
                            transport: accepted.transport,
                            incoming,
                            responder: opening.responder,
                        },
                        session: settings.session(),
                        deadline,
                        peer: accepted.peer,
                        closer: Arc::clone(closer),
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

async fn http2(
    accepted: Accepted,
    incoming: BytesMut,
    settings: &Settings,
    deadline: Instant,
) -> Sniffed {
    let opening = http2::Connection::open(incoming, accepted.transport, settings, deadline);
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

/// The answer to a request of HTTP/1 that is not complete at the deadline.
pub(crate) fn too_slow() -> Rejection {
    Rejection::new(408, "the request was not complete in time")
}

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// Too few bytes.
    Unclear,
    Http1,
    Http2,
    Tls,
    FlashPolicy,
    Unknown,
}

/// The HTTP/2 connection preface (RFC 9113 §3.4), as far as it differs from any HTTP/1 request.
const PREFACE: &[u8] = b"PRI * HTTP/2";

/// How long a policy request may take from its first byte on: Flash sends it whole.
const POLICY_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a method may be: the longest of RFC 9110 has seven letters.
const MAX_METHOD: usize = 7;

pub(crate) fn first(bytes: &[u8]) -> First {
    match bytes {
        [] => First::Unclear,
        [0x16, ..] => First::Tls,
        [b'<', ..] => policy_request(bytes),
        _ if bytes.starts_with(PREFACE) => First::Http2,
        _ if PREFACE.starts_with(bytes) => First::Unclear,
        _ => {
            let letters = bytes.iter().take_while(|byte| byte.is_ascii_uppercase());
            let letters = letters.take(MAX_METHOD + 1).count();
            match bytes.get(letters) {
                _ if letters > MAX_METHOD => First::Unknown,
                None => First::Unclear,
                Some(b' ') if letters >= 3 => First::Http1,
                Some(_) => First::Unknown,
            }
        }
    }
}

/// `<policy-file-request/>`, in any case and with a space before the slash, as Flash and what
/// imitates it send it. The NUL behind it may still be on its way.
fn policy_request(bytes: &[u8]) -> First {
    let spellings = [&b"<policy-file-request/>"[..], b"<policy-file-request />"];
    let begins = |long: &[u8], short: &[u8]| {
        long.get(..short.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(short))
    };
    if spellings.iter().any(|spelling| begins(bytes, spelling)) {
        First::FlashPolicy
    } else if spellings.iter().any(|spelling| begins(spelling, bytes)) {
        First::Unclear
    } else {
        First::Unknown
    }
}

/// The policy that lets Flash open sockets to the port it asked on, and to no other.
pub(crate) fn policy(port: Option<u16>) -> String {
    let port = port.map_or_else(|| "*".to_owned(), |port| port.to_string());
    format!(
        "<?xml version=\"1.0\"?><cross-domain-policy>\
         <allow-access-from domain=\"*\" to-ports=\"{port}\"/></cross-domain-policy>\0"
    )
}

fn send_policy(accepted: Accepted) {
    let policy = policy(accepted.port);
    let mut last_words = WriteBuf::new();
    last_words.put_slice(policy.as_bytes());
    linger(accepted.transport, last_words, HangUp::First);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_connection_by_its_first_bytes() {
        for (bytes, expected) in [
            (&b""[..], First::Unclear),
            (b"G", First::Unclear),
            (b"GET", First::Unclear),
            (b"GET ", First::Http1),
            (b"OPTIONS ", First::Http1),
            (b"P", First::Unclear),
            (b"PUT ", First::Http1),
            (b"PRI ", First::Unclear),
            (b"PRI * HTTP/2.0\r\n", First::Http2),
            (b"PRI /", First::Http1),
            (b"\x16\x03\x01", First::Tls),
            (b"<pol", First::Unclear),
            (b"<policy-file-request/>", First::FlashPolicy),
            (b"<POLICY-file-request />\0", First::FlashPolicy),
            (b"<html>", First::Unknown),
            (b"get ", First::Unknown),
            (b"PROPFINDX ", First::Unknown),
            (b"SSH-2.0", First::Unknown),
            (b"\x80\x2e\x01\x03", First::Unknown),
            (b" ", First::Unknown),
        ] {
            assert_eq!(first(bytes), expected, "{bytes:?}");
        }
    }
}
