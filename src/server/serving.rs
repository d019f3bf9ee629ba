//! The opening of connections, and the handling of every outcome.

use std::sync::Arc;

use bytes::BytesMut;
use polysock_protocols::http::Head;
use polysock_protocols::{CloseCode, Opening, Rejection, WriteBuf, flash_policy};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::PortSettings;
use super::admission::{Admission, LimitReached, Turn};
use super::drain::Connections;
use super::incidents::Incidents;
use super::opening::{Opened, Opener, Unopened};
use super::reason;
use super::refusal::{displace, refuse_over_limit};
use super::refused_input::RefusedInput;
use super::task::{Answered, Task};
use crate::connection::ShutdownSignal;
use crate::handshake::{Handshake, Pending};
use crate::http::http2::{self, Exchange, StreamReply};
use crate::http::{LaterRequests, RequestKind, Requests, Service, Upgrade, refuse};
use crate::route::{Sites, Unanswered};
use crate::telemetry::ConnectionId;
use crate::transport::{CloseOrder, Io, Peer, Permit, linger};

/// The shared state that the connections of a gateway are served with.
#[derive(Clone, Debug)]
pub(super) struct Serving {
    pub(super) sites: Arc<Sites>,
    pub(super) settings: PortSettings,
    pub(super) entropy: fn(&mut [u8]),
    pub(super) admission: Arc<Admission>,
    pub(super) incidents: Arc<Incidents>,
}

/// A connection that has just been accepted.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) accepted: Accepted,
    pub(super) turn: Turn,
    /// The reason to refuse the connection; `None` if it is admitted.
    pub(super) full: Option<LimitReached>,
}

/// A connection, its peer, and the signal that asks it to close.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) transport: Io,
    pub(super) peer: Peer,
    pub(super) shutdown: ShutdownSignal,
}

impl Serving {
    /// Serves a connection up to the answer to its opening handshake, which may follow ordinary
    /// requests. Returns the application's further work; `None` if the connection has ended.
    pub(super) async fn open(
        self: Arc<Self>,
        arrival: Arrival,
        connections: Arc<Connections>,
    ) -> Option<Answered> {
        let Arrival {
            mut accepted,
            turn,
            full,
        } = arrival;
        let mut incoming = BytesMut::new();
        if let Some(full) = full {
            let is_proxied = self.settings.proxy_protocol.includes(accepted.peer.address);
            let (come, shutdown) = ((accepted.transport, incoming), accepted.shutdown);
            Box::pin(refuse_over_limit(
                come,
                &shutdown,
                &self.settings,
                is_proxied,
                full,
            ))
            .await;
            return None;
        }
        let deadline = Instant::now() + self.settings.handshake_timeout;
        let shutdown = accepted.shutdown.clone();
        let reading = async {
            self.read_proxied(&mut accepted, &mut incoming, deadline)
                .await?;
            self.read_opening(&mut accepted, &mut incoming, deadline)
                .await
        };
        let opened = tokio::select! {
            biased;
            opened = reading => opened,
            code = shutdown.requested_of_owner() => {
                if code == CloseCode::TRY_AGAIN_LATER {
                    displace(accepted.transport, &incoming);
                }
                return None;
            }
        };
        match opened {
            Ok(Opened::Http2) => {
                let streams = self.serve_streams(accepted, incoming, deadline, turn, &connections);
                Box::pin(streams).await;
                None
            }
            Ok(opened) => {
                drop(turn);
                let unanswered = match opened {
                    Opened::Http1(first) => {
                        Box::pin(self.serve_requests(accepted, incoming, first)).await
                    }
                    opened => self.finish(opened, accepted, incoming, deadline),
                };
                let answering = unanswered?.answered().await;
                Some(Answered::new(answering, Arc::clone(&self.incidents)))
            }
            Err(unopened) => {
                debug!(peer = ?accepted.peer.address, ?unopened, "not opened");
                let counters = self.counters();
                match unopened {
                    // A check that the port is open does no more than this.
                    Unopened::Gone if incoming.is_empty() => {}
                    Unopened::Gone => self.incidents.not_opened(|count| count.gone += 1),
                    Unopened::Silent => {
                        counters.refused(reason::TIMEOUT, None);
                        self.incidents.not_opened(|count| count.silent += 1);
                    }
                    Unopened::Unclear => {
                        counters.refused(reason::TIMEOUT, None);
                        self.incidents.not_opened(|count| count.late += 1);
                    }
                    Unopened::Denied => {
                        counters.refused(reason::NETWORK, None);
                        self.incidents.not_opened(|count| count.denied += 1);
                    }
                    Unopened::Unproxied(error) => {
                        debug!(%error, "a trusted proxy sent no valid PROXY header");
                        counters.refused(reason::PROXY_HEADER, None);
                        self.incidents.not_opened(|count| count.unproxied += 1);
                    }
                    #[cfg(feature = "tls")]
                    Unopened::Insecure(error) => {
                        debug!(%error, "the TLS handshake failed");
                        counters.refused(reason::TLS, None);
                        self.incidents.not_opened(|count| count.tls_failed += 1);
                    }
                    Unopened::LimitReached(full) => {
                        let come = (accepted.transport, incoming);
                        let told = refuse_over_limit(come, &shutdown, &self.settings, false, full);
                        Box::pin(told).await;
                    }
                    Unopened::Late(rejection) => {
                        counters.refused(reason::TIMEOUT, Some(rejection.status));
                        self.incidents.not_opened(|count| count.late += 1);
                        refuse(accepted.transport, &rejection);
                    }
                }
                None
            }
        }
    }

    /// Handles the detected kinds of connections other than ordinary HTTP.
    fn finish(
        &self,
        opened: Opened,
        accepted: Accepted,
        incoming: BytesMut,
        deadline: Instant,
    ) -> Option<Unanswered> {
        let Accepted {
            mut transport,
            mut peer,
            shutdown,
        } = accepted;
        match opened {
            Opened::WebSocket(recognised) => {
                match self.admit(recognised, &mut peer, &mut transport) {
                    Ok((site, Opening { request, responder })) => {
                        let messages = self.admission.messages(peer.address);
                        let reply = Upgrade {
                            transport,
                            incoming,
                            responder,
                            shutdown: shutdown.clone(),
                        };
                        let pending = Pending {
                            request,
                            peer,
                            reply: Box::new(reply),
                            treatment: site.settings().treatment(),
                            budget: self.settings.budget.clone(),
                            registry: self.settings.registry.clone(),
                            began: deadline - self.settings.handshake_timeout,
                            deadline,
                            shutdown,
                            permit: None,
                            messages,
                            served_by: None,
                            fallback_subprotocol: None,
                            has_disconnected: false,
                        };
                        return Some(site.serve(Handshake::new(pending)));
                    }
                    Err(rejection) => refuse(transport, &rejection),
                }
            }
            Opened::Refused(error) => {
                let head = incoming.freeze();
                let protocols = &self.settings.protocols;
                let rejection = self.invalid(&error, protocols, &peer, RefusedInput::Head(&head));
                refuse(transport, &rejection);
            }
            Opened::FlashPolicy(port) => {
                let policy = flash_policy(port, self.sites.flash_domains().as_deref());
                let mut final_bytes = WriteBuf::new();
                final_bytes.put_slice(policy.as_bytes());
                linger(transport, final_bytes, CloseOrder::WeFirst);
            }
            Opened::Closed(first) => {
                debug!(?first, peer = ?peer.address, "not enabled: closed");
                self.counters().refused(reason::NOT_ENABLED, None);
                self.incidents.not_opened(|count| count.add(first));
            }
            Opened::Insecure(rejection) => {
                debug!(peer = ?peer.address, reason = rejection.reason(), "plain text: refused");
                self.counters()
                    .refused(reason::PLAIN_TEXT, Some(rejection.status));
                self.incidents.not_opened(|count| count.insecure += 1);
                refuse(transport, &rejection);
            }
            // Served before this function is called.
            Opened::Http1(_) | Opened::Http2 | Opened::Tls => {}
        }
        None
    }

    /// Answers ordinary requests. If one is an opening handshake, opens its WebSocket.
    async fn serve_requests(
        &self,
        accepted: Accepted,
        incoming: BytesMut,
        first: Head,
    ) -> Option<Unanswered> {
        let Accepted {
            transport,
            peer,
            shutdown,
        } = accepted;
        let mut opener = Opener::new(&self.settings, None);
        let classify = |incoming: &mut BytesMut| {
            Some(match opener.advance_request(incoming)? {
                Opened::Http1(head) => RequestKind::Ordinary(head),
                other => RequestKind::Other(Some(other)),
            })
        };
        let behind = LaterRequests {
            classify,
            head_timeout: self.settings.handshake_timeout,
            late: None,
        };
        let requests = Requests {
            transport,
            incoming,
            first,
            peer: Arc::new(peer.clone()),
        };
        let service: Arc<dyn Service> = Arc::new(self.dispatch());
        let (found, transport, incoming) = requests.serve(service, &shutdown, behind).await?;
        let Some(opened) = found else {
            self.incidents.not_opened(|count| count.late += 1);
            refuse(transport, &Rejection::timeout());
            return None;
        };
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
        self: Arc<Self>,
        accepted: Accepted,
        incoming: BytesMut,
        deadline: Instant,
        turn: Turn,
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
        let shared_peer = Arc::new(peer.clone());
        let mut connection = match timeout_at(deadline, opening).await {
            Ok(Ok(connection)) => connection,
            end => {
                debug!(?end, peer = ?peer.address, "HTTP/2 was not established");
                self.incidents.not_opened(|count| match end {
                    Err(_) => count.late += 1,
                    Ok(_) => count.gone += 1,
                });
                return;
            }
        };
        let mut turn = Some(turn);
        loop {
            let next = tokio::select! {
                next = connection.next() => next,
                _ = shutdown.requested_of_owner() => None,
            };
            let is_first = turn.take().is_some();
            let Some(exchange) = next else {
                if connection.has_flooded() {
                    self.incidents.flooded(peer.address);
                }
                if is_first && shutdown.close_requested().is_none() {
                    self.incidents.not_opened(|count| count.late += 1);
                }
                return connection.end().await;
            };
            if exchange.protocol().is_none() {
                let (peer, shutdown) = (Arc::clone(&shared_peer), shutdown.clone());
                connections.spawn(exchange.serve(self.dispatch(), peer, shutdown));
            } else if let Some(unanswered) = self.open_stream(exchange, &peer, connections) {
                let incidents = Arc::clone(&self.incidents);
                connections.spawn(Task::new(async move {
                    Some(Answered::new(unanswered.answered().await, incidents))
                }));
            }
        }
    }

    /// Opens the WebSocket of an extended CONNECT (RFC 8441 §4); `None` if it was refused.
    fn open_stream(
        &self,
        exchange: Exchange,
        peer: &Peer,
        connections: &Connections,
    ) -> Option<Unanswered> {
        let mut peer = Peer {
            id: ConnectionId::next(),
            ..peer.clone()
        };
        if let Err(rejection) = self.find_client(&mut peer, exchange.fields()) {
            exchange.refuse(&rejection);
            return None;
        }
        let client = peer.address;
        let place = match self.admission.admit_stream(client) {
            Ok(place) => place,
            Err(full) => {
                exchange.refuse(&full.rejection());
                return None;
            }
        };
        match self.select_for_stream(&exchange, &mut peer) {
            Ok((site, Opening { request, responder })) => {
                let reply = StreamReply {
                    exchange,
                    responder,
                    permit: Permit::new(place),
                };
                let pending = Pending {
                    request,
                    peer,
                    reply: Box::new(reply),
                    treatment: site.settings().treatment(),
                    budget: self.settings.budget.clone(),
                    registry: self.settings.registry.clone(),
                    began: Instant::now(),
                    deadline: Instant::now() + self.settings.handshake_timeout,
                    shutdown: connections.register(),
                    permit: None,
                    messages: self.admission.messages(client),
                    served_by: None,
                    fallback_subprotocol: None,
                    has_disconnected: false,
                };
                Some(site.serve(Handshake::new(pending)))
            }
            Err(rejection) => {
                exchange.refuse(&rejection);
                None
            }
        }
    }
}
