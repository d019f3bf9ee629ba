//! The gateway: accepts connections, detects their protocol, and passes them on to sites.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tracing::debug;

use super::PortSettings;
use super::admission::Admission;
use super::drain::Drained;
use super::incidents::Incidents;
use super::listening::Listening;
use super::port::{Port, Tap};
use super::serving::Serving;
use crate::apps::Application;
use crate::connection::Registry;
use crate::random::entropy;
use crate::route::{Site, Sites};
use crate::telemetry::ConnectionKind;
use crate::transport::{Io, Peer, Transport, watch};

/// A port that speaks every enabled WebSocket protocol, and ordinary HTTP.
#[derive(Clone)]
pub struct Gateway {
    pub(super) port: Arc<Port>,
}

impl Gateway {
    /// Creates a gateway to an application, with default settings and no page.
    pub fn new(application: impl Application) -> Self {
        Self::with_site(Site::new(application), PortSettings::default())
    }

    /// Creates a gateway to one site.
    pub fn with_site(site: Site, settings: PortSettings) -> Self {
        Self::with_sites(Arc::new(Sites::single(site)), settings)
    }

    /// Creates a gateway to sites that can be replaced while it serves.
    pub fn with_sites(sites: Arc<Sites>, settings: PortSettings) -> Self {
        let incidents = Arc::new(Incidents::new(&settings.registry));
        let admission = Admission::new(&settings, Arc::clone(&incidents));
        let serving = Serving {
            sites,
            settings,
            entropy,
            admission: Arc::new(admission),
            incidents,
        };
        Self::of(serving, None)
    }

    /// Creates a gateway to the same sites with other settings. Connections of both are counted
    /// together, in the limits, the budget and the registry of the first.
    #[must_use]
    pub fn with_settings(self, settings: PortSettings) -> Self {
        let Port { serving, tap } = &*self.port;
        let settings = PortSettings {
            connections: serving.settings.connections,
            budget: serving.settings.budget.clone(),
            registry: serving.settings.registry.clone(),
            ..settings
        };
        let serving = Serving {
            settings,
            ..Serving::clone(serving)
        };
        Self::of(serving, tap.clone())
    }

    /// Passes every connection that [`serve`](Self::serve) accepts through a transport of the
    /// caller, to inspect or record the bytes on the wire. `tap` also receives the address of the
    /// peer.
    #[must_use]
    pub fn with_tap(
        self,
        tap: impl Fn(TcpStream, SocketAddr) -> Box<dyn Transport> + Send + Sync + 'static,
    ) -> Self {
        Self::of(Serving::clone(&self.port.serving), Some(Arc::new(tap)))
    }

    /// Replaces the unpredictable bytes of nonces with these (RFC 6455 §10.3), for sessions that
    /// are replayed. Masks of hybi-04 to hybi-06 are made of nonces, so a page can then choose the
    /// bytes of its frames on the wire.
    #[must_use]
    pub fn with_predictable_nonces(self, entropy: fn(&mut [u8])) -> Self {
        let serving = Serving {
            entropy,
            ..Serving::clone(&self.port.serving)
        };
        Self::of(serving, self.port.tap.clone())
    }

    fn of(serving: Serving, tap: Option<Arc<Tap>>) -> Self {
        let settings = &serving.settings;
        for protocol in &settings.protocols {
            settings.registry.metrics().expect(&ConnectionKind {
                protocol: protocol.name(),
                has_pings: protocol.capabilities().ping,
                transport: if settings.takes_plain() { "tcp" } else { "tls" },
                route: None,
            });
        }
        let serving = Arc::new(serving);
        Self {
            port: Arc::new(Port { serving, tap }),
        }
    }

    /// The registry of open connections and metrics.
    pub fn registry(&self) -> Registry {
        self.port.serving.settings.registry.clone()
    }

    /// Listens on an address, on the current runtime, forever.
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

    /// Serves one connection from this peer that was accepted elsewhere, until the connection has
    /// ended.
    pub async fn serve_connection(&self, transport: impl Transport, peer: Peer) {
        let Port { serving, .. } = &*self.port;
        let connections = self.port.connections();
        let arrival = self.port.arrival(Io::new(transport), peer, &connections);
        let Some(arrival) = arrival else { return };
        let opening = Arc::clone(serving).open(arrival, Arc::clone(&connections));
        if let Some(answered) = opening.await {
            answered.await;
        }
        connections.ended().await;
    }

    /// Serves the connections of a listener until `shutdown` is ready. Then no more connections are
    /// accepted, open ones are closed (1001, or its equivalent in their protocol), and those that
    /// have not ended by the deadline are cut. A WebSocket on a stream of HTTP/2 counts as a
    /// connection, and so does the HTTP/2 connection that carries it.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
        deadline: Duration,
    ) -> Drained {
        self.watch_clients(&SockRef::from(&listener));
        let listening = Listening::new(self.port);
        listening.serve(listener.into(), shutdown, deadline).await
    }

    /// Has the kernel detect disconnected clients of a listener.
    pub(super) fn watch_clients(&self, listener: &SockRef<'_>) {
        if let Err(error) = watch(listener, self.port.serving.settings.keep_alive) {
            debug!(%error, "TCP keep-alive cannot be set");
        }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("port", &self.port).finish()
    }
}
