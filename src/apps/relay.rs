//! An application that joins a client to an upstream, piece by piece.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_sink::Sink;
use polysock_protocols::{
    Accept, BinaryOverText, Close, CloseCode, CloseForm, EncodeError, Rejection,
};
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::application::Application;
use crate::connection::{Connection, Forwarded, ShutdownSignal};
use crate::error::{BoxError, ConnectionError};
use crate::handshake::Handshake;
use crate::upstream::{Client, Connected, ExitError, Lease, Upstream, UpstreamError};

/// The time that a side gets to read its queued bytes after the other side has ended.
const DRAIN: Duration = Duration::from_secs(30);

/// The same time after the gateway has begun to shut down.
const HURRIED_DRAIN: Duration = Duration::from_secs(1);

/// The `Retry-After` of a client that was refused because the upstream is full, in seconds.
const RETRY_AFTER: &str = "5";

/// The application of `polysock serve UPSTREAM`: forwards messages and closes in both directions,
/// in bounded memory whatever their size. If one side does not read, the other is not read either.
#[derive(Clone, Debug)]
pub struct Relay {
    upstream: Arc<dyn Upstream>,
    binary_over_text: BinaryOverText,
}

impl Relay {
    /// Creates a relay to an upstream.
    pub fn new(upstream: Arc<dyn Upstream>) -> Self {
        Self {
            upstream,
            binary_over_text: BinaryOverText::default(),
        }
    }

    /// Sets the encoding of binary messages for clients whose protocol has none.
    #[must_use]
    pub fn binary_over_text(self, binary_over_text: BinaryOverText) -> Self {
        Self {
            binary_over_text,
            ..self
        }
    }
}

impl Application for Relay {
    fn serve(&self, handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        let relay = self.clone();
        Box::pin(async move {
            // Boxed, so that the state of the beginning and the end is not part of every
            // connection's task.
            let Some(mut joined) = Box::pin(relay.join(handshake)).await? else {
                return Ok(());
            };
            let ended = joined.relay().await;
            Box::pin(joined.end(ended)).await
        })
    }
}

impl Relay {
    /// Connects to the upstream, and accepts the client; `None` if the client was refused because
    /// the upstream refused us.
    async fn join(self, mut handshake: Handshake) -> Result<Option<Joined>, BoxError> {
        let (request, peer, gone) = handshake.watched();
        let connected = tokio::select! {
            connected = self.upstream.connect(Client { request, peer }) => connected,
            () = gone => return Err(ConnectionError::Aborted.into()),
        };
        let Connected {
            connection: mut upstream,
            target,
            subprotocol,
            fields,
            lease,
        } = match connected {
            Ok(connected) => connected,
            Err(error) => {
                let (rejection, is_failure) = rejection(&error);
                handshake.reject(rejection);
                // Other refusals are logged together with the rejection.
                return if is_failure {
                    Err(error.into())
                } else {
                    Ok(None)
                };
            }
        };
        let accept = Accept {
            subprotocol,
            fields,
            binary_over_text: self.binary_over_text,
        };
        if let Some(target) = target {
            handshake.served_by(target);
        }
        let shutdown = handshake.shutdown();
        if let Some(lease) = &lease {
            lease.hold(&shutdown);
        }
        let client = handshake.accept(accept).await?;
        upstream.charge_to(&client);
        Ok(Some(Joined {
            client,
            upstream,
            shutdown,
            lease,
        }))
    }
}

/// Returns the rejection for a client whose upstream cannot be reached, and whether that is a
/// failure.
fn rejection(error: &UpstreamError) -> (Rejection, bool) {
    let passed_on = match error {
        UpstreamError::Refused(refusal) => refusal.rejection(),
        UpstreamError::Path | UpstreamError::Captured => Some(Rejection::new(400, error)),
        UpstreamError::UnknownToken => Some(Rejection::new(404, error)),
        UpstreamError::NotAllowed => Some(Rejection::new(403, "the target is not allowed")),
        _ => None,
    };
    match (error, passed_on) {
        (_, Some(rejection)) => (rejection, false),
        (UpstreamError::Full { .. }, None) => {
            let mut rejection = Rejection::new(503, error);
            rejection.fields.append("Retry-After", RETRY_AFTER);
            (rejection, true)
        }
        (UpstreamError::Timeout, None) => (
            Rejection::new(504, "the upstream did not answer in time"),
            true,
        ),
        (UpstreamError::NoTarget { retry_after }, None) => {
            let mut rejection = Rejection::new(503, "no target is available");
            let seconds = retry_after.as_secs_f64().ceil();
            rejection.fields.append("Retry-After", seconds.to_string());
            (rejection, true)
        }
        (_, None) => (Rejection::new(502, "the upstream cannot be reached"), true),
    }
}

/// The client's or the upstream's connection.
#[derive(Clone, Copy, Debug)]
enum End {
    Client,
    Upstream,
}

/// The connection that has ended, and the result.
struct Ended {
    end: End,
    result: Result<(), ConnectionError>,
}

impl Ended {
    /// Determines which connection has ended, after forwarding from `from` has stopped.
    fn of(from: End, forwarded: Forwarded) -> Self {
        let to = match from {
            End::Client => End::Upstream,
            End::Upstream => End::Client,
        };
        let (end, result) = match forwarded {
            Forwarded::SourceEnded(result) => (from, result),
            Forwarded::TargetEnded(error) => (to, Err(error)),
            Forwarded::Undeliverable(error) => (from, Err(error.into())),
        };
        Self { end, result }
    }
}

/// A client and its upstream.
struct Joined {
    client: Connection,
    upstream: Connection,
    /// The shutdown signal of the client.
    shutdown: ShutdownSignal,
    /// The lease of the target, if the upstream is a group.
    lease: Option<Lease>,
}

impl Joined {
    /// Relays until one side has ended.
    async fn relay(&mut self) -> Ended {
        let Self {
            client, upstream, ..
        } = self;
        poll_fn(|cx| {
            if let Poll::Ready(forwarded) = client.poll_forward(upstream, cx) {
                return Poll::Ready(Ended::of(End::Client, forwarded));
            }
            let forwarded = upstream.poll_forward(client, cx);
            forwarded.map(|forwarded| Ended::of(End::Upstream, forwarded))
        })
        .await
    }

    /// Ends the other side in the same way.
    async fn end(self, Ended { end, result }: Ended) -> Result<(), BoxError> {
        let Self {
            client,
            upstream,
            shutdown,
            lease: _lease,
        } = self;
        let (ended, mut other) = match end {
            End::Client => (client, upstream),
            End::Upstream => (upstream, client),
        };
        let close = match &result {
            Ok(()) => carried(&ended),
            Err(error) => Some(code(error, end).into()),
        };
        if let End::Upstream = end {
            other.note_upstream_end(result.as_ref().err());
        }
        debug!(?end, ?close, "relay ends");
        if let Err(ConnectionError::Encode(
            EncodeError::Unsupported { .. } | EncodeError::TooLong { .. },
        )) = result
        {
            // The ended side sent a message that the other cannot carry: both are closed with the
            // reason.
            let (_, closed) = tokio::join!(ended.close(close.clone()), other.close(close));
            return Ok(result.and(closed)?);
        }
        drop(ended);
        // Pieces that were read from the ended side are still delivered to the other.
        let flush = timeout(DRAIN, poll_fn(|cx| Pin::new(&mut other).poll_flush(cx)));
        let hurry = async {
            shutdown.requested().await;
            sleep(HURRIED_DRAIN).await;
        };
        let flushed = tokio::select! {
            flushed = flush => flushed.unwrap_or(Ok(())),
            () = hurry => Ok(()),
        };
        let closed = other.close(close).await;
        match (end, result) {
            // A lost upstream is reported as a failure, unlike a lost client, which is normal.
            (End::Upstream, Err(error)) => Err(UpstreamError::Lost(error).into()),
            (_, result) => Ok(result.and(flushed).and(closed)?),
        }
    }
}

/// Returns the close for the other side after a regular end.
fn carried(ended: &Connection) -> Option<Close> {
    match ended.capabilities().close {
        CloseForm::Eof => Some(CloseCode::NORMAL.into()),
        CloseForm::Bare | CloseForm::Code => ended.closed()?.close.clone(),
    }
}

/// Whether a process has failed, as opposed to its transport.
fn is_exit(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(error) if error.is::<ExitError>())
}

/// Returns the close code for the other side after a failure.
fn code(error: &ConnectionError, end: End) -> CloseCode {
    match (error, end) {
        (ConnectionError::Encode(EncodeError::Unsupported { .. }), _) => {
            CloseCode::UNSUPPORTED_DATA
        }
        (ConnectionError::Encode(EncodeError::TooLong { .. }), _) => CloseCode::TOO_BIG,
        (ConnectionError::Protocol(error), End::Client) => error.close_code(),
        (ConnectionError::Io(error), End::Upstream) if is_exit(error) => CloseCode::INTERNAL_ERROR,
        (_, End::Client) => CloseCode::GOING_AWAY,
        (_, End::Upstream) => CloseCode::BAD_GATEWAY,
    }
}
