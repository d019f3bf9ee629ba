//! Responses to ordinary requests: an HTML page, or the advice to upgrade.

use std::future::ready;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, SERVER, UPGRADE};
use hyper::{Method, Request, Response, StatusCode, Version};

use crate::http::{Body, Service};

/// A service that answers ordinary requests with a page, or with the advice to upgrade.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    index: Option<Bytes>,
    /// The path of the page, without a slash at its end.
    at: String,
}

impl Pages {
    /// Serves an HTML page at `/`.
    pub fn with_index(html: impl Into<Bytes>) -> Self {
        Self {
            index: Some(html.into()),
            at: String::new(),
        }
    }

    /// Serves the page at another path, such as `/chat`, with or without a slash at its end.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        Self {
            at: path.trim_end_matches('/').to_owned(),
            ..self
        }
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            let allow = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allow);
            return response;
        }
        let path = request.uri().path();
        match (&self.index, path.strip_prefix(&*self.at)) {
            (Some(html), Some("" | "/")) => page(html.clone()),
            (Some(_), _) => text(StatusCode::NOT_FOUND, "there is no page at this path\n"),
            // HTTP/2 has no upgrade, so 426 would make no sense (RFC 8441 §1).
            (None, _) if request.version() == Version::HTTP_2 => {
                text(StatusCode::NOT_FOUND, "this port speaks WebSocket\n")
            }
            (None, _) => {
                let mut response =
                    text(StatusCode::UPGRADE_REQUIRED, "this port speaks WebSocket\n");
                let headers = response.headers_mut();
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
                response
            }
        }
    }
}

impl Service for Pages {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(ready(self.answer(&request)))
    }
}

fn page(html: Bytes) -> Response<Body> {
    respond(StatusCode::OK, "text/html; charset=utf-8", html)
}

fn text(status: StatusCode, body: &'static str) -> Response<Body> {
    respond(
        status,
        "text/plain; charset=utf-8",
        Bytes::from_static(body.as_bytes()),
    )
}

fn respond(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(SERVER, HeaderValue::from_static("polysock"));
    response
}
