//! Which site answers an ordinary request, and whose it is.

use std::future::ready;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use polysock_protocols::Rejection;

use super::Networks;
use super::forwarded;
use super::refusal::{denied, logged};
use super::request_log::RequestLine;
use super::serving::Serving;
use crate::http::{Body, Service};
use crate::route::{Asked, Sites};
use crate::transport::{Peer, Trusted, TrustedHop};

/// Has each ordinary request answered by the site that it is for. The peer of one that came through a
/// trusted proxy is its client.
pub(super) struct Dispatch {
    sites: Arc<Sites>,
    forwarded: Trusted,
    networks: Networks,
}

impl Serving {
    /// What answers ordinary requests.
    pub(super) fn dispatch(&self) -> Dispatch {
        Dispatch {
            sites: Arc::clone(&self.sites),
            forwarded: self.settings.forwarded.clone(),
            networks: self.settings.networks.clone(),
        }
    }
}

impl Service for Dispatch {
    fn call(&self, mut request: hyper::Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let peer = request.extensions().get::<Arc<Peer>>();
        let peer = peer.map_or_else(Arc::default, Arc::clone);
        let client = forwarded::client(&peer, &self.forwarded, request.headers());
        let is_behind_hop = client.is_some();
        let mut peer = client.map_or(peer, Arc::new);
        if is_behind_hop && !self.networks.include(peer.address) {
            let answer = Box::pin(ready(refusal(&denied(&peer))));
            return match RequestLine::of(&mut request, &peer, None) {
                Some(line) => line.follow(answer),
                None => answer,
            };
        }
        let host = TrustedHop::host_of(&peer);
        let found = match self
            .sites
            .find(&Asked::request(&request, peer.secure).for_host(host))
        {
            Ok(found) => found,
            Err(error) => {
                let answer = Box::pin(ready(refusal(&error.rejection())));
                return match RequestLine::of(&mut request, &peer, None) {
                    Some(line) => line.follow(answer),
                    None => answer,
                };
            }
        };
        let settings = found.site.settings();
        let admitted = settings.admit_request(request.headers(), &peer);
        let refused = admitted.err().map(|rejection| logged(rejection, &peer));
        if found.tells() {
            found.tell(Arc::make_mut(&mut peer));
        }
        let line = settings
            .access_log
            .then(|| RequestLine::of(&mut request, &peer, found.name.clone()))
            .flatten();
        if found.tells() || is_behind_hop {
            request.extensions_mut().insert(peer);
        }
        let answer = match refused {
            None => found.site.http().call(request),
            Some(rejection) => Box::pin(ready(refusal(&rejection))),
        };
        match line {
            Some(line) => line.follow(answer),
            None => answer,
        }
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
