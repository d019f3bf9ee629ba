//! An opening handshake over HTTP/1. Its answer is text, after which the transport carries
//! WebSocket frames (RFC 6455 §4.2.2).

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures_core::future::BoxFuture;
use polysock_protocols::{Accept, Rejection, Responder, WriteBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::io::poll_read_buf;

use crate::connection::ShutdownSignal;
use crate::error::ConnectionError;
use crate::handshake::{Reply, Started};
use crate::telemetry::HandshakeKeeper;
use crate::transport::{CloseOrder, Io, linger};

/// The number of bytes that are read from a client before it is answered; further bytes wait in the
/// kernel.
const EARLY: usize = 4096;

/// An upgrade that awaits its answer.
#[derive(Debug)]
pub(crate) struct Upgrade {
    pub(crate) transport: Io,
    /// The bytes received after the head.
    pub(crate) incoming: BytesMut,
    pub(crate) responder: Box<dyn Responder>,
    pub(crate) shutdown: ShutdownSignal,
}

impl Reply for Upgrade {
    fn accept(
        self: Box<Self>,
        accept: Accept,
        mut kept: HandshakeKeeper,
    ) -> BoxFuture<'static, Result<Started, ConnectionError>> {
        Box::pin(async move {
            let Self {
                mut transport,
                mut incoming,
                mut responder,
                shutdown,
            } = *self;
            let mut answer = BytesMut::new();
            loop {
                kept.received(&incoming);
                let codec = responder.respond(&accept, &mut incoming, &mut answer)?;
                kept.leave(incoming.len());
                kept.sent(&answer);
                transport.write_all(&answer).await?;
                answer.clear();
                if let Some(codec) = codec {
                    return Ok(Started {
                        transport,
                        codec,
                        incoming,
                        handshake: kept.finish(),
                    });
                }
                let count = tokio::select! {
                    read = transport.read_buf(&mut incoming) => read?,
                    // The answer has begun, so the client can no longer be refused.
                    _ = shutdown.requested_of_owner() => 0,
                };
                if count == 0 {
                    return Err(ConnectionError::Aborted);
                }
            }
        })
    }

    fn poll_disconnected(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.incoming.len() < EARLY {
            let transport = Pin::new(&mut self.transport);
            if !matches!(
                ready!(poll_read_buf(transport, cx, &mut self.incoming)),
                Ok(1..)
            ) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    fn refuse(self: Box<Self>, rejection: Rejection) {
        refuse(self.transport, &rejection);
    }
}

/// Writes a rejection and closes the connection in such a way that the client can read it.
pub(crate) fn refuse(transport: Io, rejection: &Rejection) {
    let mut answer = BytesMut::new();
    rejection.write(&mut answer);
    let mut final_bytes = WriteBuf::new();
    final_bytes.put(answer.freeze());
    linger(transport, final_bytes, CloseOrder::WeFirst);
}
