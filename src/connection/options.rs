//! The initial state of a connection.

use bytes::BytesMut;
use bytestring::ByteString;
use polysock_protocols::{Role, SessionConfig};

/// The initial state of a connection: what the handshake agreed on, and bytes read early.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// The name of the protocol, for the log.
    pub protocol: &'static str,
    /// Our role.
    pub role: Role,
    /// The agreed subprotocol; `None` if there is none.
    pub subprotocol: Option<ByteString>,
    /// Bytes read after the opening handshake.
    pub incoming: BytesMut,
    /// The limits and timeouts.
    pub session: SessionConfig,
}

impl ConnectionOptions {
    /// Creates options with no subprotocol, no early bytes, and default limits and timeouts.
    pub fn new(protocol: &'static str, role: Role) -> Self {
        Self {
            protocol,
            role,
            subprotocol: None,
            incoming: BytesMut::new(),
            session: SessionConfig::default(),
        }
    }
}
