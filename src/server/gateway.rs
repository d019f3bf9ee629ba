//! The port: accepts, finds out what each connection is, and hands it to what it is for.

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

/// A port that speaks every enabled WebSocket protocol, and ordinary HTTP beside them.
#[derive(Clone)]
pub struct Gateway {
    pub(super) port: Arc<Port>,
}

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

    /// A gateway to the same sites with other settings. Connections of both are counted together, by
    /// the limits and in the budget of the first.
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

    /// Has every connection that [`serve`](Self::serve) accepts go through a transport of the
    /// caller's, who is told the peer's address: to look at what goes over the wire, or to note it.
    #[must_use]
    pub fn with_tap(
        self,
        tap: impl Fn(TcpStream, SocketAddr) -> Box<dyn Transport> + Send + Sync + 'static,
    ) -> Self {
        Self::of(Serving::clone(&self.port.serving), Some(Arc::new(tap)))
    }

    /// Makes nonces of these bytes instead of such as nobody can predict (RFC 6455 §10.3): for
    /// sessions that are replayed. Masks of hybi-04 to hybi-06 are made of them, so a page can
    /// choose what bytes its frames are on the wire.
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

    /// Where its connections are known while they are open, and what is counted of them.
    pub fn registry(&self) -> Registry {
        self.port.serving.settings.registry.clone()
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
        self.watch_clients(&SockRef::from(&listener));
        let listening = Listening::new(self.port);
        listening.serve(listener.into(), shutdown, deadline).await
    }

    /// Has the kernel look for clients of a listener that are gone.
    pub(super) fn watch_clients(&self, listener: &SockRef<'_>) {
        if let Err(error) = watch(listener, self.port.serving.settings.keep_alive) {
            debug!(%error, "the kernel does not look for clients that are gone");
        }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("port", &self.port).finish()
    }
}
