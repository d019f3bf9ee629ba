//! A reverse proxy for ordinary requests.

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use tracing::{debug, warn};

use crate::http::{Body, Service, is_coded_otherwise};
use crate::telemetry::{Failures, Throttle};
use crate::upstream::{Group, HttpUpstream, NotAnswered, UpstreamError};

/// Proxies ordinary requests to a web server, or to one of several. Bodies are streamed in both
/// directions. The client gets 502 if the server is unreachable and 504 if it does not answer in
/// time. If none of several servers is available, the client gets 503 with `Retry-After`.
#[derive(Clone, Debug)]
pub struct Proxy {
    to: To,
    failures: Throttle<Failures>,
}

#[derive(Clone, Debug)]
enum To {
    One(HttpUpstream),
    Several(Group),
}

impl Proxy {
    /// Creates a proxy to this server.
    pub fn new(upstream: HttpUpstream) -> Self {
        Self::to(To::One(upstream))
    }

    /// Creates a proxy to the web servers (`http://`) among these targets.
    pub fn balanced(group: Group) -> Self {
        Self::to(To::Several(group))
    }

    fn to(to: To) -> Self {
        Self {
            to,
            failures: Throttle::new(|failures: Failures| {
                let times = failures.times();
                warn!(error = failures.last, times, "request not passed on");
            }),
        }
    }

    /// Returns the response for a client whose web server has sent an invalid response.
    #[cfg(feature = "grip")]
    pub(super) fn misread(&self, problem: &'static str) -> Response<Body> {
        self.note(&UpstreamError::BadAnswer(problem));
        let text = "the upstream's answer is not valid\n";
        plain(StatusCode::BAD_GATEWAY, text)
    }

    /// Logs a failure.
    pub(super) fn note(&self, error: &UpstreamError) {
        self.failures.note(|failures| failures.add(error));
    }

    /// Turns the outcome of a request into the response for the client.
    fn response_to(&self, answered: Result<Response<Body>, NotAnswered>) -> Response<Body> {
        answered.unwrap_or_else(|failed| self.answer_for(&failed.error))
    }

    /// Returns the response for a client whose request was not answered.
    fn answer_for(&self, error: &UpstreamError) -> Response<Body> {
        let (status, text) = match error {
            UpstreamError::Path => {
                debug!(%error, "request refused");
                return plain(StatusCode::BAD_REQUEST, "the path has a segment `..`\n");
            }
            UpstreamError::Timeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "the upstream did not answer in time\n",
            ),
            UpstreamError::NoTarget { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "no target is available\n")
            }
            _ => (StatusCode::BAD_GATEWAY, "the upstream cannot be reached\n"),
        };
        self.note(error);
        let mut response = plain(status, text);
        if let UpstreamError::NoTarget { retry_after } = error {
            // Whole seconds, rounded up so that no client comes too soon.
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl Service for Proxy {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        if let Some(refusal) = refusal(&request) {
            return Box::pin(std::future::ready(refusal));
        }
        let proxy = self.clone();
        match &self.to {
            // The future is large, and copying it costs more than the rest, so no `async` block
            // wraps it.
            To::One(upstream) => {
                let answered = upstream.send(request);
                Box::pin(answered.map(move |answered| proxy.response_to(answered)))
            }
            To::Several(group) => {
                let group = group.clone();
                Box::pin(async move { proxy.response_to(group.send(request).await) })
            }
        }
    }
}

/// Returns the response to a request that is not proxied, or `None` if it is.
fn refusal(request: &Request<Body>) -> Option<Response<Body>> {
    if [Method::CONNECT, Method::TRACE].contains(request.method()) {
        // A tunnel would hide the rest of the connection from us, and TRACE would reveal fields
        // that a proxy in front has added (RFC 9110 §9.3.6, §9.3.8).
        let refused = "CONNECT and TRACE are not passed on\n";
        return Some(plain(StatusCode::NOT_IMPLEMENTED, refused));
    }
    if is_coded_otherwise(request.headers()) {
        // RFC 9112 §6.1.
        let unknown = "the only supported Transfer-Encoding is chunked\n";
        return Some(plain(StatusCode::NOT_IMPLEMENTED, unknown));
    }
    None
}

fn plain(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
