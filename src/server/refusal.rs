//! The refusal of connections that are not served, or not now.
//!
//! | first bytes | answer |
//! |---|---|
//! | a request of HTTP/1: a WebSocket of any protocol, or an ordinary one | 503, or 429 if clients arrive too fast, with `Retry-After`, even if the head is incomplete |
//! | HTTP/2 | GOAWAY, ENHANCE_YOUR_CALM |
//! | TLS | the end of the stream: an answer would need a TLS handshake, for which there is no capacity |
//! | anything else, or nothing | the end of the stream |

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use hyper::HeaderMap;
use polysock_protocols::{FirstBytes, Rejection, WriteBuf};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tracing::info;

use super::PortSettings;
use super::admission::LimitReached;
use super::opening::{self, Opened, Opener, Unopened};
use crate::connection::ShutdownSignal;
use crate::http::http2;
use crate::telemetry::{Address, TraceParent};
use crate::transport::{CloseOrder, Io, Peer, close_lingering};

/// The time that a refused client has to show the protocol in which to answer it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Refuses a connection because of a limit, unless the connection is asked to close before. With
/// `expects_header`, a PROXY header precedes the request.
pub(super) async fn refuse_over_limit(
    (mut transport, mut incoming): (Io, BytesMut),
    shutdown: &ShutdownSignal,
    settings: &PortSettings,
    expects_header: bool,
    full: LimitReached,
) {
    let told = async {
        let deadline = Instant::now() + PATIENCE.min(settings.handshake_timeout);
        if expects_header {
            let header = opening::read_proxy_header(&mut transport, &mut incoming, deadline);
            if header.await.is_err() {
                return;
            }
        }
        let opener = Opener::new(settings, None);
        let opened = opening::read(&mut transport, &mut incoming, opener, deadline);
        let answer = match opened.await {
            Ok(
                Opened::WebSocket(_) | Opened::Http1(_) | Opened::Refused(_) | Opened::Insecure(_),
            )
            | Err(Unopened::Late(_)) => written(&full.rejection()),
            Ok(Opened::Http2) => http2::refusal(&full.to_string()),
            Ok(Opened::Tls | Opened::FlashPolicy(_) | Opened::Closed(_)) | Err(_) => return,
        };
        let mut final_bytes = WriteBuf::new();
        final_bytes.put(answer);
        close_lingering(transport, final_bytes, CloseOrder::WeFirst).await;
    };
    tokio::select! {
        () = told => {}
        _ = shutdown.requested_of_owner() => {}
    }
}

/// Answers a connection that is displaced before its first request is complete, as far as that is
/// possible without waiting.
pub(super) fn displace(mut transport: Io, incoming: &BytesMut) {
    if FirstBytes::of(incoming) == FirstBytes::Http1 {
        let reason = "too many connections wait for the rest of their requests";
        let answer = written(&Rejection::unavailable(reason));
        // Errors are ignored, because the connection is dropped in any case.
        let _ = transport.write_all(&answer).now_or_never();
    }
}

fn written(rejection: &Rejection) -> Bytes {
    let mut answer = BytesMut::new();
    rejection.write(&mut answer);
    answer.freeze()
}

/// Returns the refusal for a client in a network that is not allowed.
pub(super) fn denied() -> Rejection {
    let rejection = Rejection::new(403, "this client is not served here");
    rejection.because("its network is not allowed by `allow` and `deny` of the listener")
}

/// Logs a rejection, and returns it.
pub(super) fn logged(rejection: Rejection, peer: &Peer, fields: &HeaderMap) -> Rejection {
    log_refusal(
        &rejection,
        &rejection.reason(),
        peer,
        TraceParent::of_fields(fields),
    );
    rejection
}

pub(super) fn log_refusal(
    rejection: &Rejection,
    reason: &dyn fmt::Display,
    peer: &Peer,
    trace_parent: Option<TraceParent<'_>>,
) {
    info!(
        id = tracing::field::display(peer.id),
        peer = peer.address.map(Address).map(tracing::field::display),
        trace_id = trace_parent.map(|parent| parent.trace_id),
        status = rejection.status,
        reason = %reason,
        "refuse"
    );
}
