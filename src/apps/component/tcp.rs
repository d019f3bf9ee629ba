//! Components over byte streams.

use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use polysock_protocols::{CloseCode, Framing, Kind, Role, SessionConfig};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::attend::{ClientOrigin, ClientTerms, ServedClient};
use super::component::Component;
use crate::broadcast::Queue;
use crate::connection::{Budget, Connection, ConnectionOptions, Shutdown, ShutdownSignal, Terms};
use crate::transport::{Peer, Transport};

/// The default limit of a message, in bytes.
const MAX_MESSAGE: u64 = 1 << 20;

/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves a component over plain byte streams, where each line is a text message. Programs without
/// a WebSocket client can use the same component unchanged:
///
/// ```no_run
/// # use polysock::apps::component::{Client, Component, tcp, ws};
/// # use polysock::{BoxError, Gateway, Message};
/// # use std::sync::Arc;
/// # struct Chat;
/// # impl Component for Chat {
/// #     async fn on_message(&self, _: &Client, _: Message) -> Result<(), BoxError> { Ok(()) }
/// # }
/// # async fn example() -> std::io::Result<()> {
/// let chat = Arc::new(Chat);
/// let lines = tcp(Arc::clone(&chat)).listen("127.0.0.1:9000");
/// let pages = Gateway::new(ws(chat)).listen("127.0.0.1:8080");
/// tokio::try_join!(lines, pages)?;
/// # Ok(())
/// # }
/// ```
pub fn tcp<C: Component>(component: C) -> Tcp<C> {
    Tcp {
        component: Arc::new(component),
        framing: Framing::Line,
        kind: Kind::Text,
        session: SessionConfig {
            max_message: MAX_MESSAGE,
            ..SessionConfig::default()
        },
        terms: Terms::default(),
        clients: ClientTerms::default(),
        max_connections: Semaphore::MAX_PERMITS,
    }
}

/// A component that is served over byte streams, from [`tcp`].
pub struct Tcp<C> {
    component: Arc<C>,
    framing: Framing,
    kind: Kind,
    session: SessionConfig,
    terms: Terms,
    clients: ClientTerms,
    max_connections: usize,
}

impl<C: Component> Tcp<C> {
    /// Sets the framing of messages in the stream. The default is lines.
    #[must_use]
    pub fn framing(self, framing: Framing) -> Self {
        Self { framing, ..self }
    }

    /// Sets the kind of received messages. The default is text, in which invalid UTF-8 is replaced
    /// by U+FFFD. Messages of both kinds can be sent.
    #[must_use]
    pub fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// Sets the limit of a message, 1 MiB by default, and the timeouts of a session. There are no
    /// pings.
    #[must_use]
    pub fn session(self, session: SessionConfig) -> Self {
        Self { session, ..self }
    }

    /// Sets further limits of a connection.
    #[must_use]
    pub fn terms(self, terms: Terms) -> Self {
        Self { terms, ..self }
    }

    /// Sets the limit of queued messages for a client, as [`Ws::queue`](super::Ws::queue).
    #[must_use]
    pub fn queue(self, queue: Queue) -> Self {
        let clients = ClientTerms {
            queue,
            ..self.clients
        };
        Self { clients, ..self }
    }

    /// Limits the number of connections; further ones wait until they are accepted. By default
    /// there is no limit.
    #[must_use]
    pub fn max_connections(self, max_connections: usize) -> Self {
        Self {
            max_connections: max_connections.min(Semaphore::MAX_PERMITS),
            ..self
        }
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

    /// Serves the connections of a listener until `shutdown` is ready. Then no more are accepted.
    /// Open connections receive their queued messages and the end of the stream. Connections that
    /// have not ended by the deadline are aborted.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
        deadline: Duration,
    ) {
        let places = Arc::new(Semaphore::new(self.max_connections));
        let served = Arc::new(self);
        let signals = Shutdown::default();
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let accepting = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => continue,
                accepted = accepting => accepted,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "cannot accept connections");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%error, "TCP_NODELAY cannot be set");
            }
            let peer = Peer {
                address: Some(address),
                local: stream.local_addr().ok(),
                ..Peer::default()
            };
            let (served, signal) = (Arc::clone(&served), signals.register());
            connections.spawn(async move {
                served.attend(stream, peer, signal).await;
                drop(place);
            });
        }
        drop(listener);
        signals.trigger(CloseCode::GOING_AWAY);
        let ended = async { while connections.join_next().await.is_some() {} };
        let ended = timeout(deadline, ended).await;
        if ended.is_err() {
            connections.shutdown().await;
        }
    }

    /// Serves one byte stream that was accepted elsewhere, until it has ended.
    pub async fn serve_connection(&self, transport: impl Transport, peer: Peer) {
        self.attend(transport, peer, ShutdownSignal::default())
            .await;
    }

    async fn attend(&self, transport: impl Transport, peer: Peer, signal: ShutdownSignal) {
        let codec = self.framing.codec(self.kind, self.session.max_message);
        let options = ConnectionOptions {
            session: self.session,
            ..ConnectionOptions::new("tcp", Role::Server)
        };
        let mut connection = Connection::over(transport, codec, options).held_to(&self.terms);
        connection.serve_for(signal, &Budget::default());
        let before = ClientOrigin {
            peer,
            ..ClientOrigin::default()
        };
        let attended = ServedClient::new(connection, before, self.clients);
        let ended = attended.serve(Arc::clone(&self.component)).await;
        if let Err(error) = ended {
            debug!(error, "a byte stream has failed");
        }
    }
}

impl<C> fmt::Debug for Tcp<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tcp")
            .field("framing", &self.framing)
            .field("kind", &self.kind)
            .field("clients", &self.clients)
            .finish_non_exhaustive()
    }
}
