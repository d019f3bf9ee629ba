//! Ordinary requests, passed on to a web server.

use bytes::Bytes;
use futures_core::future::BoxFuture;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tracing::{debug, warn};

use crate::http::{Body, Service, is_coded_otherwise};
use crate::telemetry::{Failures, Throttle};
use crate::upstream::{HttpUpstream, UpstreamError};

/// Passes ordinary requests on to a web server, and its answers back, both as they come. A server that
/// is not there is answered for with 502, one that does not answer in time with 504.
#[derive(Clone, Debug)]
pub struct Proxy {
    upstream: HttpUpstream,
    failures: Throttle<Failures>,
}

impl Proxy {
    /// A proxy to this server.
    pub fn new(upstream: HttpUpstream) -> Self {
        Self {
            upstream,
            failures: Throttle::new(|failures: Failures| {
                let times = failures.times();
                warn!(error = failures.last, times, "request not passed on");
            }),
        }
    }

    /// What a client is told whose request was not answered.
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
            _ => (StatusCode::BAD_GATEWAY, "the upstream cannot be reached\n"),
        };
        self.failures.note(|failures| failures.add(error));
        plain(status, text)
    }
}

impl Service for Proxy {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        if let Some(refusal) = refusal(&request) {
            return Box::pin(std::future::ready(refusal));
        }
        let proxy = self.clone();
        Box::pin(async move {
            match proxy.upstream.send(request).await {
                Ok(answer) => answer,
                Err(failed) => proxy.answer_for(&failed.error),
            }
        })
    }
}

/// The answer to what no web server gets to see.
fn refusal(request: &Request<Body>) -> Option<Response<Body>> {
    if [Method::CONNECT, Method::TRACE].contains(request.method()) {
        // A tunnel would end what is known of the connection, and an echo shows what a proxy in front has
        // added (RFC 9110 §9.3.6, §9.3.8).
        let refused = "neither CONNECT nor TRACE is passed on\n";
        return Some(plain(StatusCode::NOT_IMPLEMENTED, refused));
    }
    if is_coded_otherwise(request.headers()) {
        // RFC 9112 §6.1.
        let unknown = "a body is sent as it is, or chunked\n";
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
