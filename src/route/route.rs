//! One route: which requests, and the site for them.

use std::sync::Arc;

use bytestring::ByteString;
use polysock_protocols::Protocol;

use super::asked::Asked;
use super::{HostPattern, Origins, PathPattern, Site};
use crate::upstream::Captures;

/// Which requests a site is for: those that meet all these conditions.
#[derive(Clone, Debug)]
pub struct Route {
    /// What the log calls it.
    pub name: Option<Arc<str>>,
    /// The hosts; `None` for any, and for requests without one.
    pub host: Option<HostPattern>,
    /// The paths; `None` for any.
    pub path: Option<PathPattern>,
    /// The clients; empty for all.
    pub clients: Vec<Clients>,
    /// The pages that ask. A page that is not listed is not refused by this route: the next may be
    /// for it.
    pub origins: Origins,
    /// The subprotocols of which an opening handshake offers one; empty for any, and for none.
    pub subprotocols: Vec<ByteString>,
    /// What is served.
    pub site: Arc<Site>,
}

/// A kind of clients.
#[derive(Clone, Copy, Debug)]
pub enum Clients {
    /// Those that ask for a WebSocket.
    WebSocket,
    /// Those that send ordinary requests.
    Http,
    /// Those that ask for a WebSocket of this protocol.
    Protocol(&'static dyn Protocol),
}

impl Route {
    /// A route for whatever is asked.
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

    /// What the path captures, where this route is for what is asked.
    pub(super) fn captures(&self, asked: &Asked<'_>) -> Option<Captures> {
        if let Some(host) = &self.host
            && !asked.host.is_some_and(|asked| host.matches(asked))
        {
            return None;
        }
        let is_for = |clients: &Clients| clients.contains(asked.protocol);
        if !self.clients.is_empty() && !self.clients.iter().any(is_for) {
            return None;
        }
        if self.origins != Origins::Any && !asked.is_from(&self.origins) {
            return None;
        }
        let mut subprotocols = self.subprotocols.iter();
        if !self.subprotocols.is_empty() && !subprotocols.any(|name| asked.offers(name)) {
            return None;
        }
        match &self.path {
            Some(path) => path.captures(asked.path),
            None => Some(Captures::default()),
        }
    }
}

impl Clients {
    fn contains(self, asked: Option<&'static dyn Protocol>) -> bool {
        match (self, asked) {
            (Self::Http, None) | (Self::WebSocket, Some(_)) => true,
            (Self::Protocol(protocol), Some(asked)) => protocol.name() == asked.name(),
            (Self::WebSocket | Self::Protocol(_), None) | (Self::Http, Some(_)) => false,
        }
    }
}
