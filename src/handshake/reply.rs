//! The transport-specific answer to an opening handshake.

use std::fmt;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_core::future::BoxFuture;
use polysock_protocols::{Accept, Codec, Rejection};

use crate::error::ConnectionError;
use crate::telemetry::{HandshakeBytes, HandshakeKeeper};
use crate::transport::Io;

/// The transport-specific answer to an opening handshake: by an upgrade of HTTP/1, a stream of
/// HTTP/2, or another transport. The handshake itself does not depend on it.
pub(crate) trait Reply: fmt::Debug + Send {
    /// Accepts, and completes the handshake. The text of the handshake is added to `kept`, if that
    /// is wanted.
    ///
    /// # Errors
    ///
    /// The client has disconnected, or the rest of its handshake is invalid.
    fn accept(
        self: Box<Self>,
        accept: Accept,
        kept: HandshakeKeeper,
    ) -> BoxFuture<'static, Result<Started, ConnectionError>>;

    /// Ready once the client has disconnected, before it is answered. Bytes that the client sends
    /// meanwhile are kept, as far as there is room. With more, a disconnect cannot be detected.
    fn poll_disconnected(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Refuses, and ensures that the client can read the reason.
    fn refuse(self: Box<Self>, rejection: Rejection);
}

/// The initial state of a connection.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) transport: Io,
    pub(crate) codec: Box<dyn Codec>,
    /// Bytes received after the handshake.
    pub(crate) incoming: BytesMut,
    /// The handshake; `None` if it was not to be kept, or could not be.
    pub(crate) handshake: Option<Box<HandshakeBytes>>,
}
