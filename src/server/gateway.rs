//! The port: accepts, sniffs, and hands each connection to what it is for.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_core::future::BoxFuture;
use polysock_protocols::CloseCode;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::opening::{Accepted, Sniffed, sniff};
use super::settings::{Origins, Settings};
use super::{listener, streams};
use crate::apps::Application;
use crate::connection::Shutdown;
use crate::error::{BoxError, ConnectionError};
use crate::handshake::Handshake;
use crate::http::http2;
use crate::http::{self, Pages};
use crate::transport::{Io, Transport};

/// A port that speaks every enabled WebSocket protocol, and ordinary HTTP beside them.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    wrap: Arc<dyn Fn(TcpStream, SocketAddr) -> Io + Send + Sync>,
}

struct Shared {
    application: Box<dyn Application>,
    settings: Settings,
    pages: Arc<Pages>,
}

/// What the connections of a listener have in common.
#[derive(Default)]
struct Serving {
    tasks: TaskTracker,
    /// Closes them one by one.
    closers: Shutdown,
    /// Tells those that are answered with pages or carry streams.
    stopping: CancellationToken,
}

/// An application at work on a connection.
type Answering = BoxFuture<'static, Result<(), BoxError>>;

/// How a gateway ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// How many connections were cut, as the deadline was over before they had ended.
    pub cut: usize,
}

impl Gateway {
    /// A gateway to an application, with default [`Settings`] and no page.
    pub fn new(application: impl Application) -> Self {
        Self::with_settings(application, Settings::default(), Pages::default())
    }

    /// A gateway to an application.
    pub fn with_settings(application: impl Application, settings: Settings, pages: Pages) -> Self {
        let shared = Shared {
            application: Box::new(application),
            settings,
            pages: Arc::new(pages),
        };
        Self {
            shared: Arc::new(shared),
            wrap: Arc::new(|stream, _| Io::Tcp(stream)),
        }
    }

    /// Has every connection that [`serve`](Self::serve) accepts, from a peer of this address, go
    /// through a transport of the caller's.
    #[must_use]
    pub fn with_transport(
        self,
        wrap: impl Fn(TcpStream, SocketAddr) -> Box<dyn Transport> + Send + Sync + 'static,
    ) -> Self {
        Self {
            wrap: Arc::new(move |stream, peer| Io::Other(wrap(stream, peer))),
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

    /// Serves one connection that was accepted elsewhere, until it has ended.
    pub async fn serve_connection(&self, transport: impl Transport) {
        let accepted = Accepted {
            transport: Io::new(transport),
            incoming: BytesMut::new(),
            peer: None,
            port: None,
        };
        let serving = Arc::new(Serving::default());
        let shared = Arc::clone(&self.shared);
        if let Some(answering) = shared.open(accepted, Arc::clone(&serving)).await {
            log_end(None, answering.await);
        }
        serving.tasks.close();
        serving.tasks.wait().await;
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
        let serving = Arc::new(Serving::default());
        let port = listener.local_addr().ok().map(|address| address.port());
        tokio::pin!(shutdown);
        loop {
            let (stream, peer) = tokio::select! {
                accepted = listener::accept(&listener) => accepted,
                () = &mut shutdown => break,
            };
            let accepted = Accepted {
                transport: (self.wrap)(stream, peer),
                incoming: BytesMut::new(),
                peer: Some(peer),
                port,
            };
            // Boxed: what only the opening needs is no part of an idle connection.
            let opening = Box::pin(Arc::clone(&self.shared).open(accepted, Arc::clone(&serving)));
            serving.tasks.spawn(async move {
                if let Some(answering) = opening.await {
                    let ended = answering.await;
                    log_end(Some(peer), ended);
                }
            });
        }
        drop(listener);
        let Serving {
            tasks,
            closers,
            stopping,
        } = &*serving;
        stopping.cancel();
        closers.trigger(CloseCode::GOING_AWAY);
        tasks.close();
        let end = Instant::now() + deadline;
        if timeout_at(end, tasks.wait()).await.is_err() {
            return Drained { cut: tasks.len() };
        }
        // Connections that have ended linger in tasks of their own, until their peers hang up.
        let metrics = tokio::runtime::Handle::current().metrics();
        while metrics.num_alive_tasks() > 0 && Instant::now() < end {
            sleep(Duration::from_millis(5)).await;
        }
        Drained { cut: 0 }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Goes through the opening handshake that comes in on a connection, be it behind ordinary
    /// requests; what is left to do is to answer it.
    async fn open(
        self: Arc<Self>,
        mut accepted: Accepted,
        serving: Arc<Serving>,
    ) -> Option<Answering> {
        let (peer, port) = (accepted.peer, accepted.port);
        let closer = serving.closers.register();
        loop {
            let sniffed = tokio::select! {
                biased;
                sniffed = sniff(accepted, &self.settings, &closer) => sniffed,
                _ = closer.requested_of_owner() => return None,
            };
            let (incoming, transport) = match sniffed {
                Sniffed::Done => return None,
                Sniffed::WebSocket(handshake) => return Some(self.answer(handshake)),
                Sniffed::Http(incoming, transport) => (incoming, transport),
                Sniffed::Http2(connection) => {
                    Box::pin(self.serve_streams(*connection, peer, &serving)).await;
                    return None;
                }
            };
            let (pages, stopping) = (Arc::clone(&self.pages), serving.stopping.clone());
            let requests = Box::pin(http::serve(incoming, transport, pages, stopping));
            let (incoming, transport) = requests.await?;
            accepted = Accepted {
                transport,
                incoming,
                peer,
                port,
            };
        }
    }

    /// Serves the streams of an HTTP/2 connection, each WebSocket in a task of its own.
    async fn serve_streams(
        &self,
        mut connection: http2::Connection,
        peer: Option<SocketAddr>,
        serving: &Serving,
    ) {
        loop {
            let next = tokio::select! {
                next = connection.next() => next,
                () = serving.stopping.cancelled() => None,
            };
            let Some(exchange) = next else {
                return connection.end().await;
            };
            let Self {
                pages, settings, ..
            } = self;
            if let Some(handshake) =
                streams::open(exchange, peer, pages, settings, &serving.closers)
            {
                let answering = self.answer(handshake);
                serving
                    .tasks
                    .spawn(async move { log_end(peer, answering.await) });
            }
        }
    }

    /// Has the application answer a handshake, and whatever it does afterwards.
    fn answer(&self, mut handshake: Handshake) -> Answering {
        let origin = handshake.request().origin.as_deref();
        if self.settings.origins.allow(origin) {
            if !self.settings.subprotocols.is_empty() {
                handshake.keep_subprotocols(&self.settings.subprotocols);
            }
            return self.application.serve(handshake);
        }
        let rejection = Origins::rejection();
        Box::pin(async move { Ok(handshake.reject(rejection).await?) })
    }
}

/// What a peer does wrong is everyday business; what we do wrong is not.
fn log_end(peer: Option<SocketAddr>, ended: Result<(), BoxError>) {
    let Err(error) = ended else { return };
    let peer = peer.map(tracing::field::display);
    match error.downcast_ref::<ConnectionError>() {
        Some(_) => debug!(peer, %error, "connection failed"),
        None => tracing::warn!(peer, %error, "application failed"),
    }
}
