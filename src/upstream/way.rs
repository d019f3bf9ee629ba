//! The way to a server on TCP: its address, and what goes over a connection first.

use std::time::Duration;

use polysock_protocols::ProxyVersion;

use super::address::Address;
use super::location::Location;
use super::proxying::announce;
use super::{UpstreamError, UpstreamSettings};
use crate::transport::{Io, Peer};

/// The way to a server on TCP. Clones share what was looked up.
#[derive(Clone, Debug)]
pub(super) struct Way {
    address: Address,
    keep_alive: Duration,
    /// The header that a connection begins with.
    proxy_protocol: Option<ProxyVersion>,
}

impl Way {
    /// The way to what a URL names, at the port of its scheme where it has none.
    pub(super) fn new(location: &Location, settings: &UpstreamSettings) -> Self {
        Self {
            address: Address::new(location.address(), settings.allow.clone()),
            keep_alive: settings.keep_alive,
            proxy_protocol: settings.proxy_protocol,
        }
    }

    /// Connects on behalf of a client, or on our own. No time is bounded here.
    pub(super) async fn connect(&self, peer: Option<&Peer>) -> Result<Io, UpstreamError> {
        let mut stream = self.address.connect(self.keep_alive).await?;
        announce(&mut stream, self.proxy_protocol, peer).await?;
        Ok(Io::new(stream))
    }
}
