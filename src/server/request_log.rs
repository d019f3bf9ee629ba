//! The line in the log for each ordinary request, written at its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use hyper::body::{Body as _, Frame, SizeHint};
use hyper::{Method, Request, Response, StatusCode};
use polysock_protocols::hide_secrets;
use tracing::{Level, enabled, info};

use crate::error::BoxError;
use crate::http::Body;
use crate::telemetry::{AnsweredBy, Counters, Masked, TlsVersion, TraceParent};
use crate::transport::Peer;

/// The line in the log for a request. It is written on drop: when the response has been sent, or
/// the client has disconnected.
#[derive(Debug)]
pub(super) struct RequestLine {
    method: Method,
    target: String,
    answered_by: AnsweredBy,
    route: Option<Arc<str>>,
    peer: Arc<Peer>,
    user_agent: Option<String>,
    trace_id: Option<String>,
    over: Option<&'static str>,
    began: Instant,
    status: Option<StatusCode>,
    /// The bytes of the response body that were sent.
    sent: u64,
    is_complete: bool,
}

impl RequestLine {
    /// Creates the line for a request of this peer on this route; `None` if the log does not show
    /// it. Adds the slot to the request in which a relay records the answering upstream.
    pub(super) fn of(
        request: &mut Request<Body>,
        peer: &Arc<Peer>,
        route: Option<Arc<str>>,
    ) -> Option<Self> {
        if !enabled!(Level::INFO) {
            return None;
        }
        let masked = peer.extensions.get::<Masked>();
        let path = request.uri().path_and_query();
        let target = hide_secrets(path.map_or("/", |path| path.as_str()));
        let user_agent = request.headers().get("user-agent");
        let user_agent = user_agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()).into());
        let is_http2 = request.version() == hyper::Version::HTTP_2;
        let line = Self {
            method: request.method().clone(),
            target: Masked::apply(masked, &target).into_owned(),
            answered_by: AnsweredBy::default(),
            route,
            peer: Arc::clone(peer),
            user_agent,
            trace_id: TraceParent::of_fields(request.headers())
                .map(|parent| parent.trace_id.to_owned()),
            over: is_http2.then_some("HTTP/2"),
            began: Instant::now(),
            status: None,
            sent: 0,
            is_complete: false,
        };
        request.extensions_mut().insert(line.answered_by.clone());
        Some(line)
    }

    /// Follows the response to its end.
    fn follow(mut self, response: Response<Body>) -> Response<Body> {
        let status = response.status();
        self.status = Some(status);
        // hyper does not read the body of a response that has none.
        self.is_complete = self.method == Method::HEAD
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED;
        response.map(|body| Body::new(Followed { body, line: self }))
    }
}

/// Counts a request with this method. If there is a line, follows the response to its end.
pub(super) fn follow(
    line: Option<RequestLine>,
    (counters, method): (Arc<Counters>, Method),
    answer: BoxFuture<'static, Response<Body>>,
) -> BoxFuture<'static, Response<Body>> {
    let began = Instant::now();
    Box::pin(async move {
        let response = answer.await;
        let status = response.status().as_u16();
        counters.request(method.as_str(), status, began.elapsed());
        match line {
            Some(line) => line.follow(response),
            None => response,
        }
    })
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        let address = self.peer.address;
        let tls = self.peer.extensions.get::<TlsVersion>();
        let masked = self.peer.extensions.get::<Masked>();
        let upstream = self.answered_by.upstream();
        let upstream = upstream.map(|text| Masked::apply(masked, text));
        info!(
            id = tracing::field::display(self.peer.id),
            route = self.route.as_deref(),
            method = self.method.as_str(),
            over = self.over,
            tls = tls.map(|tls| tls.0),
            peer = address.map(tracing::field::display),
            target = self.target,
            upstream = upstream.as_deref(),
            user_agent = self.user_agent,
            trace_id = self.trace_id,
            status = self.status.map(|status| status.as_u16()),
            sent = self.sent,
            // Rounded to milliseconds, as in nginx.
            seconds = (self.began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
            complete = self.is_complete,
            "request"
        );
    }
}

/// The body of a response that is being sent.
#[derive(Debug)]
struct Followed {
    body: Body,
    line: RequestLine,
}

impl hyper::body::Body for Followed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                let len = frame.data_ref().map_or(0, Bytes::len);
                self.line.sent += len as u64;
            }
            Poll::Ready(None) => self.line.is_complete = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.line.is_complete |= self.body.is_end_stream();
    }
}
