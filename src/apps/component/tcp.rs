//! A component over a byte stream.

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

use super::attend::{Attended, Before, ClientTerms};
use super::component::Component;
use crate::broadcast::Queue;
use crate::connection::{Budget, Connection, ConnectionOptions, Shutdown, ShutdownSignal, Terms};
use crate::transport::{Peer, Transport};

/// The longest message, unless something else is said.
const MAX_MESSAGE: u64 = 1 << 20;

/// How long nobody is accepted after that has failed.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves a component over plain byte streams: to it, a line is a text message. Programs of which one has
/// no WebSocket reach it so, with the same component unchanged:
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
    /// How messages stand in the stream: lines by default.
    #[must_use]
    pub fn framing(self, framing: Framing) -> Self {
        Self { framing, ..self }
    }

    /// The kind of the messages that come: text by default, of which what is not UTF-8 is replaced by
    /// U+FFFD. Messages of both kinds can be sent.
    #[must_use]
    pub fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The longest message, 1 MiB by default, and the times of a session. There are no pings.
    #[must_use]
    pub fn session(self, session: SessionConfig) -> Self {
        Self { session, ..self }
    }

    /// What a connection is held to beside that.
    #[must_use]
    pub fn terms(self, terms: Terms) -> Self {
        Self { terms, ..self }
    }

    /// How much may wait for a client, as [`Ws::queue`](super::Ws::queue).
    #[must_use]
    pub fn queue(self, queue: Queue) -> Self {
        let clients = ClientTerms {
            queue,
            ..self.clients
        };
        Self { clients, ..self }
    }

    /// How many connections there may be; the next wait to be accepted. By default there is no limit.
    #[must_use]
    pub fn max_connections(self, max_connections: usize) -> Self {
        Self {
            max_connections: max_connections.min(Semaphore::MAX_PERMITS),
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

    /// Serves the connections of a listener until `shutdown` is ready. Then no more are accepted, those
    /// that are there get what waits for them and the end of the stream, and the ones that have not
    /// ended by the deadline are cut.
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
                    warn!(%error, "nobody can be accepted");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%error, "the kernel waits with what is short");
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
        let before = Before {
            peer,
            ..Before::default()
        };
        let attended = Attended::new(connection, before, self.clients);
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
