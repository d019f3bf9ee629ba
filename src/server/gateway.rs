//! The port: accepts, finds out what each connection is, and hands it to what it is for.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_core::future::BoxFuture;
use polysock_protocols::http::BodyScanner;
use polysock_protocols::{HandshakeError, Negotiation, Opening, Recognised, Rejection, WriteBuf};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info};

use super::drain::{Connections, Drained};
use super::opening::{self, Opened, Opener, Unopened};
use super::{PortSettings, listener};
use crate::apps::Application;
use crate::connection::ShutdownSignal;
use crate::error::{BoxError, ConnectionError};
use crate::handshake::{Handshake, Pending, Reply};
use crate::http::http2::{self, Exchange, StreamReply};
use crate::http::{Body, Look, Requests, Service, Upgrade, refuse};
use crate::random::entropy;
use crate::route::{Asked, Site, Sites};
use crate::transport::{CloseOrder, Io, Peer, Transport, linger};

/// A port that speaks every enabled WebSocket protocol, and ordinary HTTP beside them.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    tap: Option<Arc<Tap>>,
}

/// Has what is accepted from an address go through something else.
type Tap = dyn Fn(TcpStream, SocketAddr) -> Box<dyn Transport> + Send + Sync;

#[derive(Debug)]
struct Shared {
    sites: Arc<Sites>,
    settings: PortSettings,
    entropy: fn(&mut [u8]),
}

/// A connection that has just been accepted.
#[derive(Debug)]
struct Accepted {
    transport: Io,
    peer: Arc<Peer>,
    shutdown: ShutdownSignal,
}

/// An application at work on a connection.
type Answering = BoxFuture<'static, Result<(), BoxError>>;

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
        let shared = Shared {
            sites,
            settings,
            entropy,
        };
        Self {
            shared: Arc::new(shared),
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
        let Shared {
            sites, settings, ..
        } = &*self.shared;
        let shared = Shared {
            sites: Arc::clone(sites),
            settings: settings.clone(),
            entropy,
        };
        Self {
            shared: Arc::new(shared),
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
        let connections = Arc::new(Connections::default());
        let address = peer.address;
        let accepted = self.accepted(Io::new(transport), peer, &connections);
        let opening = Arc::clone(&self.shared).open(accepted, Arc::clone(&connections));
        if let Some(answering) = opening.await {
            log_end(address, answering.await);
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
        let connections = Arc::new(Connections::default());
        let local = listener.local_addr().ok();
        tokio::pin!(shutdown);
        loop {
            let (stream, address) = tokio::select! {
                accepted = listener::accept(&listener) => accepted,
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
            let accepted = self.accepted(transport, peer, &connections);
            // Boxed: what only the opening needs is no part of an idle connection.
            let opening =
                Box::pin(Arc::clone(&self.shared).open(accepted, Arc::clone(&connections)));
            connections.spawn(async move {
                if let Some(answering) = opening.await {
                    log_end(Some(address), answering.await);
                }
            });
        }
        drop(listener);
        connections.drain(deadline).await
    }

    fn accepted(&self, transport: Io, peer: Peer, connections: &Connections) -> Accepted {
        let secure = peer.secure || self.shared.settings.secure;
        Accepted {
            transport: transport.with_permit(connections.admit()),
            peer: Arc::new(Peer { secure, ..peer }),
            shutdown: connections.register(),
        }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Goes through the opening handshake that comes in on a connection, be it behind ordinary
    /// requests; what is left to do is to answer it.
    async fn open(
        self: Arc<Self>,
        accepted: Accepted,
        connections: Arc<Connections>,
    ) -> Option<Answering> {
        let Accepted {
            mut transport,
            peer,
            shutdown,
        } = accepted;
        let deadline = Instant::now() + self.settings.handshake_timeout;
        let port = peer.local.map(|address| address.port());
        let mut incoming = BytesMut::new();
        let opened = tokio::select! {
            biased;
            opened = opening::read(&mut transport, &mut incoming, &self.settings, port, deadline) => opened,
            _ = shutdown.requested_of_owner() => return None,
        };
        let accepted = Accepted {
            transport,
            peer,
            shutdown,
        };
        match opened {
            Ok(Opened::Http1(_)) => Box::pin(self.serve_requests(accepted, incoming)).await,
            Ok(Opened::Http2) => {
                Box::pin(self.serve_streams(accepted, incoming, deadline, &connections)).await;
                None
            }
            Ok(opened) => self.finish(opened, accepted, incoming, deadline),
            Err(Unopened::Gone) => {
                debug!(peer = ?accepted.peer.address, "gone before its request was complete");
                None
            }
            Err(Unopened::Late(rejection)) => {
                if let Some(rejection) = rejection {
                    refuse(accepted.transport, &rejection);
                }
                None
            }
        }
    }

    /// Finishes what a connection turned out to be, if it is not HTTP.
    fn finish(
        &self,
        opened: Opened,
        accepted: Accepted,
        incoming: BytesMut,
        deadline: Instant,
    ) -> Option<Answering> {
        let Accepted {
            transport,
            peer,
            shutdown,
        } = accepted;
        match opened {
            Opened::WebSocket(recognised) => {
                let site = self.site_of(&recognised, &peer);
                match self.negotiate(recognised, &site, &peer) {
                    Ok(Opening { request, responder }) => {
                        let reply = Upgrade {
                            transport,
                            incoming,
                            responder,
                            shutdown: shutdown.clone(),
                        };
                        let pending = pending(Box::new(reply), &site, deadline, shutdown);
                        return Some(site.serve(Handshake::new(request, peer, pending)));
                    }
                    Err(error) => refuse(transport, &self.rejection(&error, &peer)),
                }
            }
            Opened::Refused(error) => refuse(transport, &self.rejection(&error, &peer)),
            Opened::FlashPolicy(policy) => {
                let mut final_bytes = WriteBuf::new();
                final_bytes.put_slice(policy.as_bytes());
                linger(transport, final_bytes, CloseOrder::WeFirst);
            }
            Opened::Closed(first) => {
                debug!(?first, peer = ?peer.address, "not enabled: closed");
            }
            // Served before anything is finished.
            Opened::Http1(_) | Opened::Http2 => {}
        }
        None
    }

    /// Has ordinary requests answered, up to one that is an opening handshake.
    async fn serve_requests(
        self: Arc<Self>,
        accepted: Accepted,
        incoming: BytesMut,
    ) -> Option<Answering> {
        let Accepted {
            transport,
            peer,
            shutdown,
        } = accepted;
        let mut opener = Opener::new(&self.settings, None);
        let look = |incoming: &mut BytesMut| {
            Some(match opener.advance_request(incoming)? {
                Opened::Http1(head) => Look::Ordinary {
                    head: head.as_bytes().len(),
                    body: BodyScanner::of(&head),
                },
                other => Look::Other(other),
            })
        };
        let requests = Requests {
            transport,
            incoming,
            peer: Arc::clone(&peer),
        };
        let service: Arc<dyn Service> = Arc::new(Dispatch(Arc::clone(&self.sites)));
        let (opened, transport, incoming) = requests.serve(service, &shutdown, look).await?;
        let accepted = Accepted {
            transport,
            peer,
            shutdown,
        };
        let deadline = Instant::now() + self.settings.handshake_timeout;
        self.finish(opened, accepted, incoming, deadline)
    }

    /// Serves the streams of an HTTP/2 connection, each in a task of its own.
    async fn serve_streams(
        &self,
        accepted: Accepted,
        incoming: BytesMut,
        deadline: Instant,
        connections: &Connections,
    ) {
        let Accepted {
            transport,
            peer,
            shutdown,
        } = accepted;
        let protocols = &self.settings.protocols;
        let max_head = self.settings.head.head;
        let has_websockets = protocols
            .iter()
            .any(|protocol| protocol.is_spoken_on_streams());
        let opening =
            http2::Connection::open(incoming, transport, max_head, has_websockets, deadline);
        let mut connection = match timeout_at(deadline, opening).await {
            Ok(Ok(connection)) => connection,
            end => {
                debug!(?end, peer = ?peer.address, "no HTTP/2 after all");
                return;
            }
        };
        loop {
            let next = tokio::select! {
                next = connection.next() => next,
                _ = shutdown.requested_of_owner() => None,
            };
            let Some(exchange) = next else {
                return connection.end().await;
            };
            if exchange.protocol().is_none() {
                let service = Dispatch(Arc::clone(&self.sites));
                connections.spawn(exchange.serve(service, Arc::clone(&peer)));
            } else if let Some(answering) = self.open_stream(exchange, &peer, connections) {
                let address = peer.address;
                connections.spawn(async move { log_end(address, answering.await) });
            }
        }
    }

    /// The opening handshake that an extended CONNECT is (RFC 8441 §4); one that is no valid one
    /// is answered.
    fn open_stream(
        &self,
        exchange: Exchange,
        peer: &Arc<Peer>,
        connections: &Connections,
    ) -> Option<Answering> {
        let opened = if exchange.protocol().is_some_and(is_websocket) {
            self.negotiate_stream(&exchange, peer)
                .map_err(|error| Rejection::of(&error, &self.settings.protocols))
        } else {
            // RFC 9220 §3.
            Err(Rejection::new(501, "the :protocol here is websocket"))
        };
        match opened {
            Ok((site, Opening { request, responder })) => {
                let reply = StreamReply {
                    exchange,
                    responder,
                };
                let deadline = Instant::now() + self.settings.handshake_timeout;
                let shutdown = connections.register();
                let pending = pending(Box::new(reply), &site, deadline, shutdown);
                Some(site.serve(Handshake::new(request, Arc::clone(peer), pending)))
            }
            Err(rejection) => {
                log_refusal(&rejection, &rejection.reason(), peer);
                exchange.refuse(&rejection);
                None
            }
        }
    }

    fn site_of(&self, recognised: &Recognised, peer: &Peer) -> Arc<Site> {
        let head = &recognised.head;
        self.sites.find(Asked {
            host: head.value("host"),
            target: head.target(),
            peer,
        })
    }

    fn negotiate_stream(
        &self,
        exchange: &Exchange,
        peer: &Peer,
    ) -> Result<(Arc<Site>, Opening), HandshakeError> {
        let head = exchange.head(&self.settings.head)?;
        let recognised = Negotiation::recognise_stream(&self.settings.protocols, head)?;
        let site = self.site_of(&recognised, peer);
        let opening = self.negotiate(recognised, &site, peer)?;
        Ok((site, opening))
    }

    /// Validates a handshake by what its site allows.
    fn negotiate(
        &self,
        recognised: Recognised,
        site: &Site,
        peer: &Peer,
    ) -> Result<Opening, HandshakeError> {
        recognised.open(&site.settings().context(peer.secure, self.entropy))
    }

    /// The answer to what is refused, with a line in the log.
    fn rejection(&self, error: &HandshakeError, peer: &Peer) -> Rejection {
        let rejection = Rejection::of(error, &self.settings.protocols);
        log_refusal(&rejection, error, peer);
        rejection
    }
}

fn is_websocket(protocol: &str) -> bool {
    protocol.eq_ignore_ascii_case("websocket")
}

fn log_refusal(rejection: &Rejection, reason: &dyn fmt::Display, peer: &Peer) {
    info!(
        peer = peer.address.map(tracing::field::display),
        status = rejection.status,
        reason = %reason,
        "refuse"
    );
}

/// What an answer needs.
fn pending(
    reply: Box<dyn Reply>,
    site: &Site,
    deadline: Instant,
    shutdown: ShutdownSignal,
) -> Pending {
    Pending {
        reply,
        session: site.settings().session,
        deadline,
        shutdown,
    }
}

/// Has each ordinary request answered by the site that it is for.
struct Dispatch(Arc<Sites>);

impl Service for Dispatch {
    fn call(&self, request: hyper::Request<Body>) -> BoxFuture<'static, hyper::Response<Body>> {
        let unknown = Peer::default();
        let peer = request.extensions().get::<Arc<Peer>>();
        let host = request.headers().get("host");
        let authority = request
            .uri()
            .authority()
            .map(|host| host.as_str().as_bytes());
        let site = self.0.find(Asked {
            host: authority.or(host.map(|host| host.as_bytes())),
            target: request.uri().path().as_bytes(),
            peer: peer.map_or(&unknown, |peer| peer),
        });
        site.http().call(request)
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
