//! An opening handshake that waits for an answer.

mod reply;

use std::sync::Arc;

use futures_core::future::BoxFuture;
use polysock_protocols::{Accept, Rejection, Request, Role, SessionConfig};
use tokio::time::{Instant, timeout_at};

pub(crate) use self::reply::{Reply, Started};
use crate::connection::{Connection, ConnectionOptions, ShutdownSignal};
use crate::error::ConnectionError;
use crate::telemetry::AccessLog;
use crate::transport::Peer;

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
/// One that is dropped is rejected with status 500.
#[must_use = "a client waits for the answer"]
#[derive(Debug)]
pub struct Handshake {
    /// `None` once it has been answered.
    pending: Option<Box<Pending>>,
    request: Box<Request>,
    peer: Arc<Peer>,
}

/// What an answer needs.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) reply: Box<dyn Reply>,
    pub(crate) session: SessionConfig,
    pub(crate) deadline: Instant,
    pub(crate) shutdown: ShutdownSignal,
}

impl Handshake {
    pub(crate) fn new(request: Box<Request>, peer: Arc<Peer>, pending: Pending) -> Self {
        Self {
            pending: Some(Box::new(pending)),
            request,
            peer,
        }
    }

    /// What the client asks for.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Who asks.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Says when the connection is asked to close, because the gateway shuts down. The connection
    /// heeds it by itself; this is for what an application does beside it.
    pub fn shutdown(&self) -> ShutdownSignal {
        let shutdown = self.pending.as_ref().map(|pending| &pending.shutdown);
        shutdown.cloned().unwrap_or_default()
    }

    /// The same, for the site that lets the client in.
    pub(crate) fn request_mut(&mut self) -> &mut Request {
        &mut self.request
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
            let Some(pending) = self.pending.take() else {
                return Err(ConnectionError::Aborted);
            };
            let Pending {
                reply,
                session,
                deadline,
                shutdown,
            } = *pending;
            let offered = &self.request.subprotocols;
            accept.subprotocol = accept.subprotocol.filter(|name| offered.contains(name));
            let subprotocol = accept.subprotocol.clone();
            let Started {
                transport,
                codec,
                incoming,
            } = timeout_at(deadline, reply.accept(accept))
                .await
                .map_err(|_| ConnectionError::HandshakeTimeout)??;
            let options = ConnectionOptions {
                protocol: self.request.protocol.name(),
                role: Role::Server,
                subprotocol,
                incoming,
                session,
            };
            let log = AccessLog::opened(&self.request, self.peer.address);
            Ok(Connection::new(transport, codec, options).served(shutdown, log))
        })
    }

    /// Rejects with an HTTP status, and ends the connection. What cannot be written at once goes
    /// out in the background.
    pub fn reject(mut self, rejection: Rejection) {
        self.answer(rejection);
    }

    fn answer(&mut self, rejection: Rejection) {
        if let Some(pending) = self.pending.take() {
            tracing::info!(
                protocol = self.request.protocol.name(),
                peer = self.peer.address.map(tracing::field::display),
                target = &*self.request.target,
                origin = self.request.origin.as_deref(),
                status = rejection.status,
                reason = rejection.reason(),
                "reject"
            );
            pending.reply.refuse(rejection);
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        if self.pending.is_none() {
            return;
        }
        self.answer(Rejection::new(500, "the application did not answer"));
    }
}
