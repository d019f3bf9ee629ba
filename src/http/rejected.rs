//! A rejection as the answer to an ordinary request.

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use polysock_protocols::Rejection;

use super::append::append;
use super::service::Body;

/// Turns the rejection of a handshake into the answer to an ordinary request.
pub(crate) fn rejected(rejection: &Rejection) -> Response<Body> {
    let mut response = Response::new(Body::from(rejection.body.clone()));
    let status = StatusCode::from_u16(rejection.status);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in rejection.fields.iter() {
        append(headers, name.as_bytes(), value);
    }
    if !rejection.body.is_empty() && !headers.contains_key(CONTENT_TYPE) {
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(CONTENT_TYPE, text);
    }
    response
}
