//! A route: conditions on requests, and the site for those that meet them.

use std::sync::Arc;

use bytestring::ByteString;
use polysock_protocols::Protocol;

use super::route_query::RouteQuery;
use super::{HostPattern, Origins, PathPattern, Site};
use crate::upstream::Captures;

/// A route to a site, for requests that meet all these conditions.
#[derive(Clone, Debug)]
pub struct Route {
    /// The name in the log; `None` for none.
    pub name: Option<Arc<str>>,
    /// The hosts; `None` for any, including requests without a host.
    pub host: Option<HostPattern>,
    /// The paths; `None` for any.
    pub path: Option<PathPattern>,
    /// The kinds of clients; empty for all.
    pub clients: Vec<Clients>,
    /// The origins of pages. A request from another page is not refused by this route: a later
    /// route may match.
    pub origins: Origins,
    /// The subprotocols of which an opening handshake must offer one; empty for no such condition.
    pub subprotocols: Vec<ByteString>,
    /// The site for matching requests.
    pub site: Arc<Site>,
}

/// A kind of clients.
#[derive(Clone, Copy, Debug)]
pub enum Clients {
    /// Clients that send an opening handshake.
    WebSocket,
    /// Clients that send ordinary requests.
    Http,
    /// Clients that send an opening handshake of this protocol.
    Protocol(&'static dyn Protocol),
}

impl Route {
    /// Creates a route that matches all requests.
    pub fn new(site: Arc<Site>) -> Self {
        Self {
            name: None,
            host: None,
            path: None,
            clients: Vec::new(),
            origins: Origins::Any,
            subprotocols: Vec::new(),
            site,
        }
    }

    /// Returns the captures of the path if this route matches; `None` if not.
    pub(super) fn captures(&self, route_query: &RouteQuery<'_>) -> Option<Captures> {
        if let Some(host) = &self.host
            && !route_query
                .host
                .is_some_and(|route_query| host.matches(route_query))
        {
            return None;
        }
        let is_for = |clients: &Clients| clients.contains(route_query.protocol);
        if !self.clients.is_empty() && !self.clients.iter().any(is_for) {
            return None;
        }
        if self.origins != Origins::Any && !route_query.is_from(&self.origins) {
            return None;
        }
        let mut subprotocols = self.subprotocols.iter();
        if !self.subprotocols.is_empty() && !subprotocols.any(|name| route_query.offers(name)) {
            return None;
        }
        match &self.path {
            Some(path) => path.captures(route_query.path),
            None => Some(Captures::default()),
        }
    }
}

impl Clients {
    fn contains(self, route_query: Option<&'static dyn Protocol>) -> bool {
        match (self, route_query) {
            (Self::Http, None) | (Self::WebSocket, Some(_)) => true,
            (Self::Protocol(protocol), Some(route_query)) => protocol.name() == route_query.name(),
            (Self::WebSocket | Self::Protocol(_), None) | (Self::Http, Some(_)) => false,
        }
    }
}
