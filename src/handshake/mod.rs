//! An opening handshake that waits for an answer.

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

/// An opening handshake, valid and waiting for an application to accept or reject it.
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
/// One that is dropped is rejected with status 500, or 504 where it was dropped because it was not
/// answered in time, unless the client has [hung up](Self::watched).
#[must_use = "a client waits for the answer"]
#[derive(Debug)]
pub struct Handshake {
    /// `None` once it has been answered. All of it is behind one pointer, so that it is next to
    /// nothing in the task of a connection.
    pending: Option<Box<Pending>>,
}

/// What is known of a handshake, and what its answer needs.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) request: Box<Request>,
    pub(crate) peer: Peer,
    pub(crate) reply: Box<dyn Reply>,
    pub(crate) treatment: Treatment,
    /// Where the memory of the connection is counted.
    pub(crate) budget: Budget,
    /// Where the connection is known while it is open.
    pub(crate) registry: Registry,
    /// Since when it is waited for.
    pub(crate) began: Instant,
    pub(crate) deadline: Instant,
    pub(crate) shutdown: ShutdownSignal,
    /// Where its connection is counted too.
    pub(crate) permit: Option<Permit>,
    /// With what else its messages are counted.
    pub(crate) messages: Option<Arc<MessageRate>>,
    /// What the client is connected to, for the log.
    pub(crate) served_by: Option<Arc<str>>,
    /// The subprotocol that is agreed on where the application names none.
    pub(crate) agreed_otherwise: Option<ByteString>,
    /// Whether the client was found to have hung up.
    pub(crate) is_gone: bool,
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

    /// What the client asks for.
    pub fn request(&self) -> &Request {
        &self.pending().request
    }

    /// Who asks.
    pub fn peer(&self) -> &Peer {
        &self.pending().peer
    }

    /// What the client asks for, who it is, and a future that is ready once it has hung up: nobody
    /// waits then for what is done before the answer.
    ///
    /// A client that sends more than 4 KiB before it is answered (on a stream of HTTP/2: anything, and
    /// then the end of its direction) may have hung up unnoticed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what the client sends meanwhile is kept for the connection.
    pub fn watched(&mut self) -> (&Request, &Peer, impl Future<Output = ()> + Send) {
        let Pending {
            request,
            peer,
            reply,
            is_gone,
            ..
        } = &mut **self.pending.as_mut().expect(UNANSWERED);
        let gone = poll_fn(move |cx| {
            ready!(reply.poll_gone(cx));
            *is_gone = true;
            Poll::Ready(())
        });
        (request, peer, gone)
    }

    /// Says when the connection is asked to close, because the gateway shuts down. The connection
    /// heeds it by itself; this is for what an application does beside it.
    pub fn shutdown(&self) -> ShutdownSignal {
        self.pending().shutdown.clone()
    }

    /// Says in the access log what the client is connected to: `tcp://127.0.0.1:5900`. Its secrets are
    /// hidden there.
    pub fn served_by(&mut self, target: impl Into<Arc<str>>) {
        self.pending.as_mut().expect(UNANSWERED).served_by = Some(target.into());
    }

    /// Has the answer to a client's close have its reason too.
    #[cfg(feature = "grip")]
    pub(crate) fn echo_close_reason(&mut self) {
        let session = &mut self.pending.as_mut().expect(UNANSWERED).treatment.session;
        session.echo_reason = true;
    }

    /// Counts the connection elsewhere too, up to its last byte.
    pub(crate) fn keep(&mut self, permit: Permit) {
        self.pending.as_mut().expect(UNANSWERED).permit = Some(permit);
    }

    /// The request and who asks, for the site that lets the client in.
    pub(crate) fn admitted(&mut self) -> (&mut Request, &Peer) {
        let pending = &mut **self.pending.as_mut().expect(UNANSWERED);
        (&mut pending.request, &pending.peer)
    }

    /// Has the connection be open no longer than this.
    pub(crate) fn limit_age(&mut self, max_age: Duration) {
        let terms = &mut self.pending.as_mut().expect(UNANSWERED).treatment.terms;
        terms.max_age = Some(terms.max_age.map_or(max_age, |age| age.min(max_age)));
    }

    /// Takes away subprotocols that were offered to say something else. The first of them is agreed on
    /// where no other is.
    pub(crate) fn spend_subprotocols(&mut self, spent: Vec<ByteString>) {
        let pending = self.pending.as_mut().expect(UNANSWERED);
        let offered = &mut pending.request.subprotocols;
        offered.retain(|name| !spent.contains(name));
        if let Some(first) = spent.into_iter().next() {
            pending.agreed_otherwise = Some(first);
        }
    }

    /// Who asks, for the site that finds out more.
    pub(crate) fn peer_mut(&mut self) -> &mut Peer {
        &mut self.pending.as_mut().expect(UNANSWERED).peer
    }

    fn pending(&self) -> &Pending {
        self.pending.as_ref().expect(UNANSWERED)
    }

    /// Accepts, and completes the handshake. A subprotocol that was not offered is left out of the
    /// answer (RFC 6455 §4.2.2): [`Connection::subprotocol`] says what is agreed on.
    ///
    /// # Errors
    ///
    /// The client went away, or what belongs to its handshake (Hixie-76: eight bytes) was not
    /// there by the deadline.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a client whose answer is cancelled is cut off.
    // Boxed, so that what only the handshake needs is not part of every connection's task.
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
                agreed_otherwise,
                is_gone: _,
            } = *self.pending.take().expect(UNANSWERED);
            shutdown.note_answered();
            let offered = &request.subprotocols;
            let named = accept.subprotocol.filter(|name| offered.contains(name));
            accept.subprotocol = named.or(agreed_otherwise);
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

    /// Rejects with an HTTP status, and ends the connection. What cannot be written at once goes
    /// out in the background.
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
        let Some(pending) = self.pending.as_deref().filter(|pending| !pending.is_gone) else {
            return;
        };
        self.answer(match pending.shutdown.is_late() {
            true => Rejection::new(504, "the application did not answer in time"),
            false => Rejection::new(500, "the application did not answer"),
        });
    }
}
