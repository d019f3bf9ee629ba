//! Ordinary requests, passed on to a web server.

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use tracing::{debug, warn};

use crate::http::{Body, Service, is_coded_otherwise};
use crate::telemetry::{Failures, Throttle};
use crate::upstream::{Group, HttpUpstream, NotAnswered, UpstreamError};

/// Passes ordinary requests on to a web server, or one of several, and its answers back, both as they
/// come. A server that is not there is answered for with 502, one that does not answer in time with 504;
/// where none of several is there, clients are told with 503 when to come again.
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
    /// A proxy to this server.
    pub fn new(upstream: HttpUpstream) -> Self {
        Self::to(To::One(upstream))
    }

    /// A proxy to the web servers (`http://`) among these targets.
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

    /// What a client is told whose web server has answered what makes no sense.
    #[cfg(feature = "grip")]
    pub(super) fn misread(&self, problem: &'static str) -> Response<Body> {
        self.note(&UpstreamError::BadAnswer(problem));
        let text = "the upstream's answer makes no sense\n";
        plain(StatusCode::BAD_GATEWAY, text)
    }

    /// Has the log tell of a failure.
    pub(super) fn note(&self, error: &UpstreamError) {
        self.failures.note(|failures| failures.add(error));
    }

    /// The answer for the client, whatever has become of its request.
    fn told(&self, answered: Result<Response<Body>, NotAnswered>) -> Response<Body> {
        answered.unwrap_or_else(|failed| self.answer_for(&failed.error))
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
            UpstreamError::NoTarget { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "no target is there\n")
            }
            _ => (StatusCode::BAD_GATEWAY, "the upstream cannot be reached\n"),
        };
        self.note(error);
        let mut response = plain(status, text);
        if let UpstreamError::NoTarget { retry_after } = error {
            // Whole seconds, and never too soon.
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
            // A large future costs more than all else that is done here: it is not held a second time.
            To::One(upstream) => {
                let answered = upstream.send(request);
                Box::pin(answered.map(move |answered| proxy.told(answered)))
            }
            To::Several(group) => {
                let group = group.clone();
                Box::pin(async move { proxy.told(group.send(request).await) })
            }
        }
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
