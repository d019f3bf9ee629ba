//! Which site answers an ordinary request.

use std::sync::Arc;

use futures_core::future::BoxFuture;
use hyper::header::HeaderValue;

use crate::http::{Body, Service};
use crate::route::{Asked, Sites};
use crate::transport::Peer;

/// Has each ordinary request answered by the site that it is for.
pub(super) struct Dispatch(pub(super) Arc<Sites>);

impl Service for Dispatch {
    fn call(&self, request: hyper::Request<Body>) -> BoxFuture<'static, hyper::Response<Body>> {
        let unknown = Peer::default();
        let peer = request.extensions().get::<Arc<Peer>>();
        let host = request.headers().get("host");
        let authority = request
            .uri()
            .authority()
            .map(|host| host.as_str().as_bytes());
        let site = self.0.find(Asked {
            host: authority.or(host.map(HeaderValue::as_bytes)),
            target: request.uri().path().as_bytes(),
            peer: peer.map_or(&unknown, |peer| peer),
        });
        site.http().call(request)
    }
}
