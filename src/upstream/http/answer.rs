//! The body of a web server's answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::pool::{Pool, Pooled};
use super::upload::Progress;
use crate::error::BoxError;
use crate::http::Body;

/// The body of an answer. Its connection returns to the pool when the body has ended; dropping the
/// body earlier closes the connection.
#[derive(Debug)]
pub(super) struct Answer {
    body: Incoming,
    /// The connection; `None` once the body has ended.
    used: Option<Used>,
    /// The time for which the server may send nothing; `None` for ever.
    limit: Option<Duration>,
    /// The start of the wait for the next piece; `None` if none is awaited.
    since: Option<Instant>,
}

/// A connection that is used for an exchange.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) connection: Pooled,
    pub(super) pool: Pool,
    /// The progress of the request.
    pub(super) request: Progress,
}

impl Used {
    /// Ends the exchange after the answer. Returns the connection to the pool if the request is
    /// complete as well.
    fn end(self) {
        if self.request.end() {
            self.pool.put(self.connection);
        }
    }
}

impl Answer {
    /// Returns the body that arrives on this connection, of which no piece may take longer than
    /// `limit`.
    pub(super) fn take(body: Incoming, used: Used, limit: Option<Duration>) -> Body {
        if body.is_end_stream() {
            used.end();
            return Body::from(Bytes::new());
        }
        Body::new(Self {
            body,
            used: Some(used),
            limit,
            since: None,
        })
    }

    /// Ready when the server has sent nothing for too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(limit), Some(used)) = (self.limit, &mut self.used) else {
            return Poll::Pending;
        };
        let since = *self.since.get_or_insert_with(Instant::now);
        used.connection.alarm.poll(since, limit, cx)
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            ready!(this.poll_late(cx));
            this.used = None;
            let late = io::Error::new(io::ErrorKind::TimedOut, "the upstream has stopped sending");
            return Poll::Ready(Some(Err(late.into())));
        };
        this.since = None;
        match &frame {
            Some(Err(_)) => this.used = None,
            Some(Ok(_)) if !this.body.is_end_stream() => {}
            Some(Ok(_)) | None => {
                if let Some(used) = this.used.take() {
                    used.end();
                }
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
