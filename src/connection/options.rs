//! How a connection begins.

use bytes::BytesMut;
use bytestring::ByteString;
use polysock_protocols::{Role, SessionConfig};

/// How a connection begins: what was agreed on before, and what came early.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// The name of the protocol, for the log.
    pub protocol: &'static str,
    /// Which end of it we are.
    pub role: Role,
    /// The subprotocol that was agreed on.
    pub subprotocol: Option<ByteString>,
    /// What was read behind the opening handshake.
    pub incoming: BytesMut,
    /// Limits and times.
    pub session: SessionConfig,
}

impl ConnectionOptions {
    /// No subprotocol, nothing that came early, and the default limits and times.
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
