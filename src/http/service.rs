//! A handler of ordinary requests, the same for HTTP/1 and HTTP/2.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::http::{Request, Response};

use crate::error::BoxError;

/// A handler of ordinary requests. The extensions of a request contain the [`Peer`](crate::Peer)
/// that sent it, as an `Arc`, and the [`ShutdownSignal`](crate::ShutdownSignal) of its connection,
/// for an answer that would not end by itself.
pub trait Service: Send + Sync + 'static {
    /// Answers one request. The body of the answer is polled only as the client reads it.
    ///
    /// A disconnect of the client cancels the request: the future, or the body, is dropped.
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>>;
}

/// The body of a request or of an answer, which is read in pieces.
#[derive(Debug)]
pub struct Body(Source);

/// The source of a body. Most requests and answers need no boxed source.
#[derive(Debug)]
enum Source {
    Connection(Incoming),
    Memory(Full<Bytes>),
    Elsewhere(UnsyncBoxBody<Bytes, BoxError>),
}

impl Body {
    /// Wraps a body of any type.
    pub fn new<B>(body: B) -> Self
    where
        B: hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self(Source::Elsewhere(body.map_err(Into::into).boxed_unsync()))
    }

    /// Wraps a body received over HTTP/1.
    pub(crate) fn incoming(body: Incoming) -> Self {
        Self(Source::Connection(body))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Memory(Full::new(bytes)))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Source::Connection(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            Source::Memory(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
            }
            Source::Elsewhere(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Connection(body) => body.is_end_stream(),
            Source::Memory(body) => body.is_end_stream(),
            Source::Elsewhere(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Connection(body) => body.size_hint(),
            Source::Memory(body) => body.size_hint(),
            Source::Elsewhere(body) => body.size_hint(),
        }
    }
}
