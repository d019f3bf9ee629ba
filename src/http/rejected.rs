//! A rejection, as the answer to an ordinary request.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use polysock_protocols::Rejection;

use super::Body;

/// A rejection of a handshake, as the answer to an ordinary request.
pub(crate) fn rejected(rejection: &Rejection) -> Response<Body> {
    let mut response = Response::new(Body::from(rejection.body.clone()));
    let status = StatusCode::from_u16(rejection.status);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in rejection.fields.iter() {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_maybe_shared(Bytes::copy_from_slice(value)),
        ) {
            headers.append(name, value);
        }
    }
    if !rejection.body.is_empty() && !headers.contains_key(CONTENT_TYPE) {
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(CONTENT_TYPE, text);
    }
    response
}
