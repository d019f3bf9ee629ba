//! How the answer to an opening handshake goes out.

use std::fmt;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_core::future::BoxFuture;
use polysock_protocols::{Accept, Codec, Rejection};

use crate::error::ConnectionError;
use crate::telemetry::{HandshakeBytes, HandshakeKeeper};
use crate::transport::Io;

/// A way for an answer, of a handshake that has come in by an upgrade of HTTP/1, on a stream of
/// HTTP/2, or however else. Handshakes know none of them.
pub(crate) trait Reply: fmt::Debug + Send {
    /// Accepts, and completes the handshake. What of it comes and goes as text is kept, where that is wanted.
    ///
    /// # Errors
    ///
    /// The client is gone, or what it sends of its handshake is wrong.
    fn accept(
        self: Box<Self>,
        accept: Accept,
        kept: HandshakeKeeper,
    ) -> BoxFuture<'static, Result<Started, ConnectionError>>;

    /// Ready once the client has hung up, before it is answered. What it sends meanwhile is kept, as
    /// far as there is room; behind that, nobody can know.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Refuses, so that the client gets to read why.
    fn refuse(self: Box<Self>, rejection: Rejection);
}

/// What a connection starts with.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) transport: Io,
    pub(crate) codec: Box<dyn Codec>,
    /// What has come behind the handshake.
    pub(crate) incoming: BytesMut,
    /// The handshake, where it was to be kept and could be.
    pub(crate) handshake: Option<Box<HandshakeBytes>>,
}
