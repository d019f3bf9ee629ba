//! Opening handshakes that wait for an answer.

mod reply;
mod treatment;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::{Accept, Rejection, Request, Role, hide_secrets};
use tokio::time::{Instant, timeout_at};

pub(crate) use self::reply::{Reply, Started};
pub(crate) use self::treatment::Treatment;
use crate::connection::{
    Budget, Connection, ConnectionOptions, MessageRate, Registry, Row, ShutdownSignal,
};
use crate::error::ConnectionError;
use crate::telemetry::{
    Address, Agreed, ConnectionKind, Facts, HandshakeKeeper, KeptHandshake, Masked, Refusal,
    RouteName, TRACE_PARENT, TraceParent,
};
use crate::transport::{Peer, Permit};

/// A valid opening handshake that waits for an application to accept or reject it.
///
/// It can be answered once:
///
/// ```compile_fail
/// # async fn twice(handshake: polysock::Handshake) -> Result<(), polysock::BoxError> {
/// handshake.accept(polysock::Accept::default()).await?;
/// handshake.reject(polysock::Rejection::new(403, "too late"));
/// # Ok(())
/// # }
/// ```
///
/// A handshake that is dropped is rejected with status 500, or with 504 if the time to answer it
/// had expired. No answer is sent if [`watched`](Self::watched) has found that the client
/// disconnected.
#[must_use = "a client waits for the answer"]
#[derive(Debug)]
pub struct Handshake {
    /// `None` once the handshake has been answered. Boxed, to take little room in the task of a
    /// connection.
    pending: Option<Box<Pending>>,
}

/// The request of a handshake, and the state that its answer needs.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) request: Box<Request>,
    pub(crate) peer: Peer,
    pub(crate) reply: Box<dyn Reply>,
    pub(crate) treatment: Treatment,
    /// The budget that the memory of the connection is charged to.
    pub(crate) budget: Budget,
    /// The registry that lists the connection while it is open.
    pub(crate) registry: Registry,
    /// The time at which the handshake began.
    pub(crate) began: Instant,
    pub(crate) deadline: Instant,
    pub(crate) shutdown: ShutdownSignal,
    /// A further permit, which the connection keeps.
    pub(crate) permit: Option<Permit>,
    /// The rate limit that the connection shares with others; `None` without a limit.
    pub(crate) messages: Option<Arc<MessageRate>>,
    /// The upstream of the client, for the log.
    pub(crate) served_by: Option<Arc<str>>,
    /// The subprotocol that is agreed on if the application names none.
    pub(crate) fallback_subprotocol: Option<ByteString>,
    /// True if the client was found to have disconnected.
    pub(crate) has_disconnected: bool,
}

const UNANSWERED: &str = "an answer consumes the handshake";

impl Handshake {
    pub(crate) fn new(pending: Pending) -> Self {
        let mut pending = Box::new(pending);
        if pending.registry.taps() > 0 {
            pending.peer.extensions.insert(KeptHandshake);
        }
        Self {
            pending: Some(pending),
        }
    }

    /// Returns the request of the client.
    pub fn request(&self) -> &Request {
        &self.pending().request
    }

    /// Returns the facts known about the client.
    pub fn peer(&self) -> &Peer {
        &self.pending().peer
    }

    /// Returns the request, the client, and a future that is ready once the client has
    /// disconnected, so that work done before the answer can be abandoned.
    ///
    /// The disconnect may go unnoticed if the client sends more than 4 KiB before it is answered.
    /// On a stream of HTTP/2, the same applies if it sends any bytes and then ends its direction.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: bytes that the client sends meanwhile are kept for the connection.
    pub fn watched(&mut self) -> (&Request, &Peer, impl Future<Output = ()> + Send) {
        let Pending {
            request,
            peer,
            reply,
            has_disconnected,
            ..
        } = &mut **self.pending.as_mut().expect(UNANSWERED);
        let gone = poll_fn(move |cx| {
            ready!(reply.poll_disconnected(cx));
            *has_disconnected = true;
            Poll::Ready(())
        });
        (request, peer, gone)
    }

    /// Returns the signal that asks the connection to close, because the gateway shuts down. The
    /// connection closes by itself. The signal is for the application's other work.
    pub fn shutdown(&self) -> ShutdownSignal {
        self.pending().shutdown.clone()
    }

    /// Sets the upstream that the access log reports for the client: `tcp://127.0.0.1:5900`.
    /// Secrets in it are hidden there.
    pub fn served_by(&mut self, target: impl Into<Arc<str>>) {
        self.pending.as_mut().expect(UNANSWERED).served_by = Some(target.into());
    }

    /// Includes the reason of the client's close in the answer to it.
    #[cfg(feature = "grip")]
    pub(crate) fn echo_close_reason(&mut self) {
        let session = &mut self.pending.as_mut().expect(UNANSWERED).treatment.session;
        session.echo_reason = true;
    }

    /// Keeps a further permit until the connection's last byte is written.
    pub(crate) fn keep(&mut self, permit: Permit) {
        self.pending.as_mut().expect(UNANSWERED).permit = Some(permit);
    }

    /// Returns the request and the client, for the site that admits the client.
    pub(crate) fn admitted(&mut self) -> (&mut Request, &Peer) {
        let pending = &mut **self.pending.as_mut().expect(UNANSWERED);
        (&mut pending.request, &pending.peer)
    }

    /// Limits the age of the connection.
    pub(crate) fn limit_age(&mut self, max_age: Duration) {
        let terms = &mut self.pending.as_mut().expect(UNANSWERED).treatment.terms;
        terms.max_age = Some(terms.max_age.map_or(max_age, |age| age.min(max_age)));
    }

    /// Removes offered subprotocols that carried other data. The first of them is agreed on if no
    /// other is.
    pub(crate) fn consume_subprotocols(&mut self, spent: Vec<ByteString>) {
        let pending = self.pending.as_mut().expect(UNANSWERED);
        let offered = &mut pending.request.subprotocols;
        offered.retain(|name| !spent.contains(name));
        if let Some(first) = spent.into_iter().next() {
            pending.fallback_subprotocol = Some(first);
        }
    }

    /// Returns the facts known about the client, for a site that adds to them.
    pub(crate) fn peer_mut(&mut self) -> &mut Peer {
        &mut self.pending.as_mut().expect(UNANSWERED).peer
    }

    fn pending(&self) -> &Pending {
        self.pending.as_ref().expect(UNANSWERED)
    }

    /// Accepts, and completes the handshake. A subprotocol that was not offered is left out of the
    /// answer (RFC 6455 §4.2.2); [`Connection::subprotocol`] returns the agreed one.
    ///
    /// # Errors
    ///
    /// The client disconnected, or the rest of its handshake (`hixie-76`: eight bytes) did not
    /// arrive by the deadline.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: cancellation disconnects the client.
    // Boxed, to keep the state of the handshake out of every connection's task.
    pub fn accept(
        mut self,
        mut accept: Accept,
    ) -> BoxFuture<'static, Result<Connection, ConnectionError>> {
        Box::pin(async move {
            let Pending {
                request,
                peer,
                reply,
                treatment,
                budget,
                registry,
                began,
                deadline,
                shutdown,
                permit,
                messages,
                served_by,
                fallback_subprotocol,
                has_disconnected: _,
            } = *self.pending.take().expect(UNANSWERED);
            shutdown.note_answered();
            let offered = &request.subprotocols;
            let named = accept.subprotocol.filter(|name| offered.contains(name));
            accept.subprotocol = named.or(fallback_subprotocol);
            let subprotocol = accept.subprotocol.clone();
            let is_kept = peer.extensions.get::<KeptHandshake>().is_some();
            let mut kept = HandshakeKeeper::new(is_kept);
            kept.received(request.head.as_bytes());
            let Started {
                transport,
                codec,
                incoming,
                handshake,
            } = timeout_at(deadline, reply.accept(accept, kept))
                .await
                .map_err(|_| ConnectionError::HandshakeTimeout)??;
            let transport = match permit {
                Some(permit) => transport.with_further_permit(permit),
                None => transport,
            };
            let agreed = Agreed {
                subprotocol: subprotocol.as_deref(),
                extension: codec.extension(),
                upstream: served_by.as_deref(),
            };
            let is_logged = treatment.is_logged;
            let client = (peer.id, peer.address, &peer.extensions);
            let facts = Facts::opened(client, &request, agreed, is_logged);
            let route = peer.extensions.get::<RouteName>();
            let kind = ConnectionKind {
                protocol: request.protocol.name(),
                has_pings: request.protocol.capabilities().ping,
                transport: peer.carrier(request.head.is_connect()),
                route: route.map(|route| Arc::clone(&route.0)),
            };
            let row = Row::opened(
                facts,
                registry.metrics(),
                &kind,
                (&request, began.elapsed()),
            );
            let options = ConnectionOptions {
                protocol: request.protocol.name(),
                role: Role::Server,
                subprotocol,
                incoming,
                session: treatment.session,
            };
            let mut connection = Connection::new(transport, codec, options);
            connection.hold_to(&treatment.terms);
            connection.serve_for(shutdown.clone(), &budget);
            connection.describe(row, is_logged);
            if registry.taps() > 0 {
                connection.keep_handshake(handshake);
                registry.offer_to_taps(&shutdown);
                connection.heed_tap();
                connection.forget_handshake();
            }
            if let Some(messages) = messages {
                connection.count_with(messages);
            }
            Ok(connection)
        })
    }

    /// Rejects with an HTTP status, and ends the connection. Bytes that cannot be written
    /// immediately are sent in the background.
    pub fn reject(mut self, rejection: Rejection) {
        self.answer(rejection);
    }

    fn answer(&mut self, rejection: Rejection) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let Pending {
            request,
            peer,
            reply,
            shutdown,
            registry,
            began,
            ..
        } = *pending;
        shutdown.note_answered();
        let route = peer.extensions.get::<RouteName>();
        let masked = peer.extensions.get::<Masked>();
        let target = hide_secrets(&request.target);
        let target = Masked::apply(masked, &target);
        let parent = request.head.value(TRACE_PARENT);
        let parent = parent.and_then(TraceParent::read);
        tracing::info!(
            id = tracing::field::display(peer.id),
            route = route.map(|route| &*route.0),
            protocol = request.protocol.name(),
            peer = peer.address.map(Address).map(tracing::field::display),
            target = &*target,
            user_agent = request.user_agent().as_deref(),
            trace_id = parent.map(|parent| parent.trace_id),
            origin = request.origin.as_deref().map(hide_secrets).as_deref(),
            status = rejection.status,
            reason = rejection.reason(),
            "reject"
        );
        let (client, status) = ((peer.id, peer.address), rejection.status);
        let detail = rejection.reason().to_string();
        let refusal = Refusal {
            head: Some(request.head.as_bytes().clone()),
            protocol: Some(request.protocol.name()),
            target: Some(target.into_owned()),
            took: Some(began.elapsed()),
            ..Refusal::new(client, "application", status, detail).within(parent)
        };
        registry.metrics().counters().note_refusal(refusal);
        reply.refuse(rejection);
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let Some(pending) = self
            .pending
            .as_deref()
            .filter(|pending| !pending.has_disconnected)
        else {
            return;
        };
        self.answer(match pending.shutdown.is_late() {
            true => Rejection::new(504, "the application did not answer in time"),
            false => Rejection::new(500, "the application did not answer"),
        });
    }
}
