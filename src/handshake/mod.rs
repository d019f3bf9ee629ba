//! An opening handshake that waits for an answer.

use std::net::SocketAddr;

use bytes::BytesMut;
use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::{
    Accept, Codec, Rejection, Request, Responder, Role, SessionConfig, StreamResponder, WriteBuf,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::connection::{Connection, ConnectionOptions, ShutdownSignal};
use crate::error::ConnectionError;
use crate::http::http2::Exchange;
use crate::telemetry::AccessLog;
use crate::transport::{CloseOrder, Io, linger};

/// An opening handshake, valid and waiting for an application to accept or reject it.
///
/// It can be answered once:
///
/// ```compile_fail
/// # async fn twice(handshake: polysock::Handshake) -> Result<(), polysock::BoxError> {
/// handshake.accept(polysock::Accept::default()).await?;
/// handshake.reject(polysock::Rejection::new(403, "too late")).await?;
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
}

/// What an answer needs.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) way: Way,
    pub(crate) session: SessionConfig,
    pub(crate) deadline: Instant,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) closer: ShutdownSignal,
}

/// How the answer goes out.
#[derive(Debug)]
pub(crate) enum Way {
    /// As text, which turns the transport into the WebSocket's (RFC 6455 §4.2.2).
    Upgrade {
        transport: Io,
        /// What has come behind the head.
        incoming: BytesMut,
        responder: Box<dyn Responder>,
    },
    /// As the response on a stream of HTTP/2 (RFC 8441 §5).
    Stream {
        exchange: Box<Exchange>,
        responder: Box<dyn StreamResponder>,
    },
}

/// What a connection begins with: its transport, its codec, and what came early.
type Begun = (Io, Box<dyn Codec>, BytesMut);

impl Handshake {
    pub(crate) fn new(request: Box<Request>, pending: Pending) -> Self {
        Self {
            pending: Some(Box::new(pending)),
            request,
        }
    }

    /// What the client asks for.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The address of the client, where its transport has one.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.pending.as_ref().and_then(|pending| pending.peer)
    }

    /// Who asks the connection to close at a shutdown.
    pub(crate) fn closer(&self) -> ShutdownSignal {
        let closer = self.pending.as_ref().map(|pending| &pending.closer);
        closer.cloned().unwrap_or_default()
    }

    /// Keeps of the subprotocols that were offered those of a list, in its order.
    pub(crate) fn keep_subprotocols(&mut self, listed: &[ByteString]) {
        let offered = &mut self.request.subprotocols;
        let kept = listed.iter().filter(|name| offered.contains(name));
        *offered = kept.cloned().collect();
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
                way,
                session,
                deadline,
                peer,
                closer,
            } = *pending;
            let offered = &self.request.subprotocols;
            accept.subprotocol = accept.subprotocol.filter(|name| offered.contains(name));
            let (transport, codec, incoming) = timeout_at(deadline, way.accept(&accept, &closer))
                .await
                .map_err(|_| ConnectionError::HandshakeTimeout)??;
            let options = ConnectionOptions {
                protocol: self.request.protocol,
                role: Role::Server,
                subprotocol: accept.subprotocol,
                incoming,
                session,
            };
            let log = AccessLog::opened(&self.request, peer);
            Ok(Connection::new(transport, codec, options).served(closer, log))
        })
    }

    /// Rejects with an HTTP status, and ends the connection.
    ///
    /// # Errors
    ///
    /// None today; the signature leaves room for transports that can say that they failed.
    pub async fn reject(mut self, rejection: Rejection) -> Result<(), ConnectionError> {
        self.answer(&rejection);
        Ok(())
    }

    fn answer(&mut self, rejection: &Rejection) {
        if let Some(pending) = self.pending.take() {
            tracing::info!(
                protocol = self.request.protocol,
                peer = pending.peer.map(tracing::field::display),
                target = &*self.request.target,
                origin = self.request.origin.as_deref(),
                status = rejection.status,
                reason = rejection.body,
                "reject"
            );
            match pending.way {
                Way::Upgrade { transport, .. } => refuse(transport, rejection),
                Way::Stream { exchange, .. } => exchange.refuse(rejection),
            }
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        if self.pending.is_none() {
            return;
        }
        self.answer(&Rejection::new(500, "the application did not answer"));
    }
}

impl Way {
    /// Goes through the steps of the answer.
    async fn accept(
        self,
        accept: &Accept,
        closer: &ShutdownSignal,
    ) -> Result<Begun, ConnectionError> {
        let (mut transport, mut incoming, mut responder) = match self {
            Self::Upgrade {
                transport,
                incoming,
                responder,
            } => (transport, incoming, responder),
            Self::Stream {
                exchange,
                mut responder,
            } => {
                let answer = responder.respond(accept);
                let stream = exchange.accept(answer.fields)?;
                return Ok((Io::new(stream), answer.codec, BytesMut::new()));
            }
        };
        let mut answer = BytesMut::new();
        loop {
            let codec = responder.respond(accept, &mut incoming, &mut answer)?;
            transport.write_all(&answer).await?;
            answer.clear();
            if let Some(codec) = codec {
                return Ok((transport, codec, incoming));
            }
            let count = tokio::select! {
                read = transport.read_buf(&mut incoming) => read?,
                // With the head out, there is nothing to say but goodbye.
                _ = closer.requested_of_owner() => 0,
            };
            if count == 0 {
                return Err(ConnectionError::Aborted);
            }
        }
    }
}

/// Writes a rejection and ends the connection, so that the client gets to read it.
pub(crate) fn refuse(transport: Io, rejection: &Rejection) {
    let mut answer = BytesMut::new();
    rejection.write(&mut answer);
    let mut final_bytes = WriteBuf::new();
    final_bytes.put(answer.freeze());
    linger(transport, final_bytes, CloseOrder::WeFirst);
}
