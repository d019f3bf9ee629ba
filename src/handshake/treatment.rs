//! The settings of a connection whose handshake is accepted.

use polysock_protocols::SessionConfig;

use crate::connection::Terms;

/// The settings of a connection whose handshake is accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Treatment {
    pub(crate) session: SessionConfig,
    pub(crate) terms: Terms,
    /// True if the access log reports the connection.
    pub(crate) is_logged: bool,
}
