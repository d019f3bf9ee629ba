//! The handling of new connections of a port.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::drain::Connections;
use super::listener::Incoming;
use super::reason;
use super::serving::{Accepted, Arrival, Serving};
use crate::telemetry::ConnectionId;
use crate::transport::{Io, Peer, Transport};

/// The state of a port that new connections are served with.
#[derive(Clone)]
pub(super) struct Port {
    pub(super) serving: Arc<Serving>,
    pub(super) tap: Option<Arc<Tap>>,
}

/// A function that wraps an accepted stream in another transport.
pub(super) type Tap = dyn Fn(TcpStream, SocketAddr) -> Box<dyn Transport> + Send + Sync;

impl Port {
    /// Prepares a connection that was accepted on this address; `None` if its network is not
    /// allowed.
    pub(super) fn accepted(
        &self,
        incoming: Incoming,
        local: Option<SocketAddr>,
        connections: &Connections,
    ) -> Option<Arrival> {
        let (transport, address) = match (incoming, &self.tap) {
            (Incoming::Tcp(stream, address), None) => (Io::new(stream), Some(address)),
            (Incoming::Tcp(stream, address), Some(tap)) => {
                (Io::new(tap(stream, address)), Some(address))
            }
            (Incoming::Unix(stream), _) => (Io::new(stream), None),
        };
        let peer = Peer {
            address,
            local,
            ..Peer::default()
        };
        self.arrival(transport, peer, connections)
    }

    /// Prepares a connection from this peer, and decides on its admission; `None` if its network is
    /// not allowed.
    pub(super) fn arrival(
        &self,
        transport: Io,
        peer: Peer,
        connections: &Connections,
    ) -> Option<Arrival> {
        let settings = &self.serving.settings;
        // The clients of a trusted proxy have other addresses.
        let stands_for_others = [&settings.proxy_protocol, &settings.forwarded]
            .iter()
            .any(|trusted| trusted.includes(peer.address));
        if !stands_for_others && !settings.networks.include(peer.address) {
            self.serving.counters().refused(reason::NETWORK, None);
            self.serving.incidents.not_opened(|count| count.denied += 1);
            return None;
        }
        let counted = peer.address.filter(|_| !stands_for_others);
        let shutdown = connections.register();
        let (place, turn) = self.serving.admission.admit(counted, &shutdown);
        let (place, full) = match place {
            Ok(place) => (Some(place), None),
            Err(full) => (None, Some(full)),
        };
        let secure = peer.secure || settings.secure;
        let id = match peer.id.is_some() {
            true => peer.id,
            false => ConnectionId::next(),
        };
        let accepted = Accepted {
            transport: transport.with_permit(connections.count(place)),
            peer: Peer { id, secure, ..peer },
            shutdown,
        };
        Some(Arrival {
            accepted,
            turn,
            full,
        })
    }

    /// Creates the set of connections for one listener.
    pub(super) fn connections(&self) -> Arc<Connections> {
        let connections = Connections::default();
        connections.count_in(&self.serving.settings.budget);
        connections.watched_by(&self.serving.settings.registry);
        Arc::new(connections)
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("serving", &self.serving)
            .finish_non_exhaustive()
    }
}
