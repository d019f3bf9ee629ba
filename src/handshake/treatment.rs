//! How a connection is treated once its handshake is accepted.

use polysock_protocols::SessionConfig;

use crate::connection::Terms;

/// How a connection is treated once its handshake is accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Treatment {
    pub(crate) session: SessionConfig,
    pub(crate) terms: Terms,
    /// Whether the access log has it.
    pub(crate) is_logged: bool,
}
