//! The body of an answer on its way from a web server.

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

/// The body of an answer, whose connection is kept when it is over. One that is dropped before ends its
/// connection.
#[derive(Debug)]
pub(super) struct Answer {
    body: Incoming,
    /// Until the body is over.
    used: Option<Used>,
    /// How long the server may say nothing.
    limit: Option<Duration>,
    /// Since when it is waited for.
    since: Option<Instant>,
}

/// A connection that is used for an exchange.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) connection: Pooled,
    pub(super) pool: Pool,
    /// How far the request has come.
    pub(super) request: Progress,
}

impl Used {
    /// The answer is over: the connection is kept if the request is over as well.
    fn end(self) {
        if self.request.end() {
            self.pool.put(self.connection);
        }
    }
}

impl Answer {
    /// The body that comes on this connection, of which no piece may take longer than this.
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

    /// Ready when the server has said nothing for too long.
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
            let late = io::Error::new(io::ErrorKind::TimedOut, "the upstream says nothing more");
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
