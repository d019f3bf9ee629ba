//! Which site answers an ordinary request.

use std::future::ready;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use polysock_protocols::Rejection;

use crate::http::{Body, Service};
use crate::route::{Asked, Sites};
use crate::transport::Peer;

/// Has each ordinary request answered by the site that it is for.
pub(super) struct Dispatch(pub(super) Arc<Sites>);

impl Service for Dispatch {
    fn call(&self, mut request: hyper::Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let found = match self.0.find(&Asked::request(&request)) {
            Ok(found) => found,
            Err(error) => return Box::pin(ready(refusal(&error.rejection()))),
        };
        if found.tells() {
            let peer = request.extensions().get::<Arc<Peer>>();
            let mut peer = peer.map_or_else(Peer::default, |peer| Peer::clone(peer));
            found.tell(&mut peer);
            request.extensions_mut().insert(Arc::new(peer));
        }
        found.site.http().call(request)
    }
}

/// A rejection of a handshake, as the answer to an ordinary request.
fn refusal(rejection: &Rejection) -> Response<Body> {
    let mut response = Response::new(Body::from(rejection.body.clone()));
    let status = StatusCode::from_u16(rejection.status);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
