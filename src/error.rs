//! What a connection can fail of.

use std::error::Error;
use std::io;

use polysock_protocols::{EncodeError, HandshakeError, ProtocolError};
use thiserror::Error;

/// Any error of an application or an upstream.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a connection failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The opening handshake failed.
    #[error("opening handshake: {0}")]
    Handshake(#[from] HandshakeError),
    /// The opening handshake was not complete by its deadline.
    #[error("the opening handshake was not complete by its deadline")]
    HandshakeTimeout,
    /// The peer broke the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// What was to be sent cannot be.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The memory of all connections together was used up, and this one held most.
    #[error("closed because memory is short, and this connection held most of it")]
    Overload,
    /// The peer took nothing of what was sent to it for as long as it may.
    #[error("took nothing of what was sent to it in time")]
    Stalled,
    /// More messages came within a second than may from one address, over all of its connections.
    #[error("more than {limit} messages a second from one address")]
    TooManyMessages {
        /// The limit.
        limit: u32,
    },
    /// The peer went away without a closing handshake (close code 1006 in RFC 6455 §7.1.5).
    #[error("the peer went away without a closing handshake")]
    Aborted,
    /// The transport failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}
