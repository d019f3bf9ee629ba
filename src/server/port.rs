//! What becomes of the connections of a port.

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

/// What becomes of the connections of a port.
#[derive(Clone)]
pub(super) struct Port {
    pub(super) serving: Arc<Serving>,
    pub(super) tap: Option<Arc<Tap>>,
}

/// Has what is accepted from an address go through something else.
pub(super) type Tap = dyn Fn(TcpStream, SocketAddr) -> Box<dyn Transport> + Send + Sync;

impl Port {
    /// A connection that was accepted on this address, unless it comes from where nobody may.
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

    /// A connection that has come from this peer, and whether it is let in; `None` where it comes from where
    /// nobody may.
    pub(super) fn arrival(
        &self,
        transport: Io,
        peer: Peer,
        connections: &Connections,
    ) -> Option<Arrival> {
        let settings = &self.serving.settings;
        // Behind a proxy that is trusted is somebody of another address.
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

    /// What the connections of one listener are known by.
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
