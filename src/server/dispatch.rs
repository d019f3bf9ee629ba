//! The service for all ordinary requests of a port, which chooses the site for each.

use std::future::ready;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use hyper::Response;

use super::Networks;
use super::forwarded;
use super::refusal::{denied, logged};
use super::request_log::{RequestLine, follow};
use super::serving::Serving;
use crate::http::{Body, Service, rejected};
use crate::route::{NotFound, RouteQuery, Sites};
use crate::telemetry::Counters;
use crate::transport::{Peer, Trusted, TrustedHop};

/// A service that has each ordinary request answered by its site. If a request came through a
/// trusted proxy, its peer is the client that the proxy reports.
pub(super) struct Dispatch {
    sites: Arc<Sites>,
    forwarded: Trusted,
    networks: Networks,
    counters: Arc<Counters>,
}

impl Serving {
    /// Creates the service for ordinary requests.
    pub(super) fn dispatch(&self) -> Dispatch {
        Dispatch {
            sites: Arc::clone(&self.sites),
            forwarded: self.settings.forwarded.clone(),
            networks: self.settings.networks.clone(),
            counters: Arc::clone(self.settings.registry.metrics().counters()),
        }
    }
}

impl Service for Dispatch {
    fn call(&self, mut request: hyper::Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let peer = request.extensions().get::<Arc<Peer>>();
        let peer = peer.map_or_else(Arc::default, Arc::clone);
        let counted = (Arc::clone(&self.counters), request.method().clone());
        let client = forwarded::client(&peer, &self.forwarded, request.headers());
        let is_behind_hop = client.is_some();
        let mut peer = client.map_or(peer, Arc::new);
        let found = if is_behind_hop && !self.networks.include(peer.address) {
            Err(logged(denied(), &peer, request.headers()))
        } else {
            let host = TrustedHop::host_of(&peer);
            let asked = RouteQuery::request(&request, peer.secure).for_host(host);
            self.sites.find(&asked).map_err(NotFound::rejection)
        };
        let found = match found {
            Ok(found) => found,
            Err(rejection) => {
                let answer = Box::pin(ready(rejected(&rejection)));
                let line = RequestLine::of(&mut request, &peer, None);
                return follow(line, counted, answer);
            }
        };
        let settings = found.site.settings();
        let admitted = settings.admit_request(request.headers(), &peer);
        let refused = admitted.err();
        let refused = refused.map(|rejection| logged(rejection, &peer, request.headers()));
        if found.has_captures() {
            found.annotate(Arc::make_mut(&mut peer));
        }
        let is_told =
            found.site.hide_secrets(&request, &mut peer) || found.has_captures() || is_behind_hop;
        let line = settings
            .access_log
            .then(|| RequestLine::of(&mut request, &peer, found.name.clone()))
            .flatten();
        if is_told {
            request.extensions_mut().insert(peer);
        }
        let answer = match refused {
            None => found.site.serve_request(request),
            Some(rejection) => Box::pin(ready(rejected(&rejection))),
        };
        follow(line, counted, answer)
    }
}
