//! The port: accepts, finds out what each connection is, and hands it to what it is for.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::task::yield_now;
use tracing::debug;

use super::admission::Admission;
use super::drain::{Connections, Drained};
use super::incidents::Incidents;
use super::serving::{Accepted, Arrival, Serving};
use super::{PortSettings, listener};
use crate::apps::Application;
use crate::random::entropy;
use crate::route::{Site, Sites};
use crate::transport::{Io, Peer, Transport, watch};

/// A port that speaks every enabled WebSocket protocol, and ordinary HTTP beside them.
#[derive(Clone)]
pub struct Gateway {
    serving: Arc<Serving>,
    tap: Option<Arc<Tap>>,
}

/// Has what is accepted from an address go through something else.
type Tap = dyn Fn(TcpStream, SocketAddr) -> Box<dyn Transport> + Send + Sync;

impl Gateway {
    /// A gateway to an application, with default settings and no page.
    pub fn new(application: impl Application) -> Self {
        Self::with_site(Site::new(application), PortSettings::default())
    }

    /// A gateway to one site.
    pub fn with_site(site: Site, settings: PortSettings) -> Self {
        Self::with_sites(Arc::new(Sites::single(site)), settings)
    }

    /// A gateway to sites that can be replaced while it serves.
    pub fn with_sites(sites: Arc<Sites>, settings: PortSettings) -> Self {
        let incidents = Incidents::new();
        let (limits, budget) = (settings.connections, settings.budget.clone());
        let admission = Admission::new(limits, budget, incidents.clone());
        let serving = Serving {
            sites,
            settings,
            entropy,
            admission: Arc::new(admission),
            incidents,
        };
        Self {
            serving: Arc::new(serving),
            tap: None,
        }
    }

    /// Has every connection that [`serve`](Self::serve) accepts go through a transport of the
    /// caller's, who is told the peer's address: to look at what goes over the wire, or to note it.
    #[must_use]
    pub fn with_tap(
        self,
        tap: impl Fn(TcpStream, SocketAddr) -> Box<dyn Transport> + Send + Sync + 'static,
    ) -> Self {
        Self {
            tap: Some(Arc::new(tap)),
            ..self
        }
    }

    /// Makes nonces of these bytes instead of such as nobody can predict (RFC 6455 §10.3): for
    /// sessions that are replayed. Masks of hybi-04 to hybi-06 are made of them, so a page can
    /// choose what bytes its frames are on the wire.
    #[must_use]
    pub fn with_predictable_nonces(self, entropy: fn(&mut [u8])) -> Self {
        let serving = Serving {
            entropy,
            ..Serving::clone(&self.serving)
        };
        Self {
            serving: Arc::new(serving),
            ..self
        }
    }

    /// Listens on an address, on the current runtime, for ever.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    pub async fn listen(self, address: impl ToSocketAddrs) -> io::Result<()> {
        let listener = TcpListener::bind(address).await?;
        self.serve(listener, std::future::pending(), Duration::ZERO)
            .await;
        Ok(())
    }

    /// Serves one connection that was accepted elsewhere, from this peer, until it has ended.
    pub async fn serve_connection(&self, transport: impl Transport, peer: Peer) {
        let connections = self.connections();
        let address = peer.address;
        let arrival = self.arrival(Io::new(transport), peer, &connections);
        let opening = Arc::clone(&self.serving).open(arrival, Arc::clone(&connections));
        if let Some(answering) = opening.await {
            self.serving.log_end(address, answering.await);
        }
        connections.ended().await;
    }

    /// Serves the connections of a listener until `shutdown` is ready. Then no more are
    /// accepted, those that are there are closed (1001, or its like in their protocol), and the
    /// ones that have not ended by the deadline are cut. A WebSocket on a stream of HTTP/2 is a
    /// connection here, and so is what carries it.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
        deadline: Duration,
    ) -> Drained {
        let connections = self.connections();
        self.serve_among(connections, listener, shutdown, deadline)
            .await
    }

    /// The same with connections that somebody else may ask to close.
    pub(super) async fn serve_among(
        self,
        connections: Arc<Connections>,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
        deadline: Duration,
    ) -> Drained {
        let local = listener.local_addr().ok();
        if let Err(error) = watch(&SockRef::from(&listener), self.serving.settings.keep_alive) {
            debug!(%error, "the kernel does not look for clients that are gone");
        }
        tokio::pin!(shutdown);
        loop {
            let (stream, address) = tokio::select! {
                accepted = listener::accept(&listener, &self.serving.incidents) => accepted,
                () = &mut shutdown => break,
            };
            let transport = match &self.tap {
                None => Io::new(stream),
                Some(tap) => Io::new(tap(stream, address)),
            };
            let peer = Peer {
                address: Some(address),
                local,
                ..Peer::default()
            };
            let arrival = self.arrival(transport, peer, &connections);
            let has_displaced = arrival.turn.has_displaced;
            // Boxed: what only the opening needs is no part of an idle connection.
            let opening =
                Box::pin(Arc::clone(&self.serving).open(arrival, Arc::clone(&connections)));
            let serving = Arc::clone(&self.serving);
            connections.spawn(async move {
                if let Some(answering) = opening.await {
                    serving.log_end(Some(address), answering.await);
                }
            });
            if has_displaced {
                // The one that it took the place of leaves now, and not after a hundred more.
                yield_now().await;
            }
        }
        drop(listener);
        connections.drain(deadline).await
    }

    /// What the connections of one listener are known by.
    pub(super) fn connections(&self) -> Arc<Connections> {
        let connections = Connections::default();
        connections.count_in(&self.serving.settings.budget);
        Arc::new(connections)
    }

    fn arrival(&self, transport: Io, peer: Peer, connections: &Connections) -> Arrival {
        let shutdown = connections.register();
        let (place, turn) = self.serving.admission.admit(peer.address, &shutdown);
        let (place, full) = match place {
            Ok(place) => (Some(place), None),
            Err(full) => (None, Some(full)),
        };
        let secure = peer.secure || self.serving.settings.secure;
        let accepted = Accepted {
            transport: transport.with_permit(connections.count(place)),
            peer: Peer { secure, ..peer },
            shutdown,
        };
        Arrival {
            accepted,
            turn,
            full,
        }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("serving", &self.serving)
            .finish_non_exhaustive()
    }
}
