//! The limits on the connections of a site.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::warn;

use super::SiteConnections;
use crate::telemetry::{RouteName, Throttle};
use crate::transport::{Peer, network};

/// The counters of a site's connections, and of those refused by its limits.
#[derive(Debug)]
pub(super) struct Places {
    present: Mutex<OpenConnections>,
    refused: Throttle<Refused>,
}

/// The open connections.
#[derive(Debug, Default)]
struct OpenConnections {
    count: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// The connections that were refused since the last line in the log.
#[derive(Debug, Default)]
struct Refused {
    route: Option<RouteName>,
    connections: u64,
    per_address: u64,
}

/// The limit that has been reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitReached {
    /// The connections of the site.
    Connections,
    /// The connections of one address.
    Address,
}

/// A counted connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    network: Option<IpAddr>,
}

impl Places {
    /// Creates counters for a site without connections.
    pub(super) fn new() -> Self {
        let tell = |refused: Refused| {
            let some = |count: u64| Some(count).filter(|count| *count > 0);
            warn!(
                route = refused.route.as_ref().map(|route| &*route.0),
                connections = some(refused.connections),
                per_address = some(refused.per_address),
                "no room for connections on this route"
            );
        };
        Self {
            present: Mutex::default(),
            refused: Throttle::new(tell),
        }
    }

    /// Counts a connection, or returns the limit that is reached; `None` if the site has no limits.
    pub(super) fn take(
        self: &Arc<Self>,
        limits: SiteConnections,
        peer: &Peer,
    ) -> Result<Option<Place>, LimitReached> {
        if limits == SiteConnections::default() {
            return Ok(None);
        }
        let is_counted = limits.per_address < usize::MAX;
        let address = peer.address.filter(|_| is_counted);
        let network = address.and_then(|address| network(address.ip()));
        let mut present = self.lock();
        let of_network = network.and_then(|network| present.by_network.get(&network));
        let full = if present.count >= limits.total {
            Some(LimitReached::Connections)
        } else if of_network.is_some_and(|count| *count >= limits.per_address) {
            Some(LimitReached::Address)
        } else {
            None
        };
        if let Some(full) = full {
            drop(present);
            self.refused.note(|refused| {
                refused.route = peer.extensions.get::<RouteName>().cloned();
                match full {
                    LimitReached::Connections => refused.connections += 1,
                    LimitReached::Address => refused.per_address += 1,
                }
            });
            return Err(full);
        }
        present.count += 1;
        if let Some(network) = network {
            *present.by_network.entry(network).or_default() += 1;
        }
        Ok(Some(Place {
            places: Arc::clone(self),
            network,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, OpenConnections> {
        // Nothing but the allocator can panic while the lock is held.
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connections => "too many connections here",
            Self::Address => "too many connections from one address here",
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.places.lock();
        present.count -= 1;
        if let Some(network) = self.network
            && let Some(count) = present.by_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                present.by_network.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> Peer {
        Peer {
            address: Some(format!("{address}:1").parse().unwrap()),
            ..Peer::default()
        }
    }

    #[test]
    fn connections_are_limited_in_total_and_per_address() {
        for (total, per_address, addresses, expected) in [
            (usize::MAX, usize::MAX, ["10.0.0.1"; 3], [None; 3]),
            (
                2,
                usize::MAX,
                ["10.0.0.1"; 3],
                [None, None, Some(LimitReached::Connections)],
            ),
            (
                2,
                usize::MAX,
                ["127.0.0.1"; 3],
                [None, None, Some(LimitReached::Connections)],
            ),
            (
                usize::MAX,
                2,
                ["10.0.0.1"; 3],
                [None, None, Some(LimitReached::Address)],
            ),
            (usize::MAX, 2, ["127.0.0.1"; 3], [None; 3]),
            (
                usize::MAX,
                1,
                ["10.0.0.1", "10.0.0.2", "[::ffff:10.0.0.1]"],
                [None, None, Some(LimitReached::Address)],
            ),
        ] {
            let limits = SiteConnections { total, per_address };
            let places = Arc::new(Places::new());
            let taken = addresses.map(|address| places.take(limits, &from(address)));
            let full = taken.iter().map(|taken| taken.as_ref().err().copied());
            assert!(full.eq(expected), "{limits:?} {addresses:?}");
            drop(taken);
            assert_eq!(places.lock().count, 0);
            assert!(places.lock().by_network.is_empty());
        }
    }
}
