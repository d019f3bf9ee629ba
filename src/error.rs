//! The errors of connections.

use std::error::Error;
use std::io;

use polysock_protocols::{EncodeError, HandshakeError, ProtocolError};
use thiserror::Error;

/// Any error of an application or an upstream.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The reason why a connection failed.
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
    /// The message cannot be sent.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// All connections together used up their memory budget, and this one held most.
    #[error("closed because memory is short and this connection used the most")]
    Overload,
    /// The peer accepted no sent bytes for the send timeout.
    #[error("the peer did not read in time")]
    Stalled,
    /// The connections of one address received more messages within a second than the limit
    /// permits.
    #[error("more than {limit} messages a second from one address")]
    TooManyMessages {
        /// The limit.
        limit: u32,
    },
    /// The peer disconnected without a closing handshake (close code 1006 in RFC 6455 §7.1.5).
    #[error("the peer disconnected without a closing handshake")]
    Aborted,
    /// The transport failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}
