//! The limits of a connection that are not its session's.

use std::num::NonZeroU32;
use std::time::Duration;

/// The limits of a connection that its [session](polysock_protocols::SessionConfig) cannot enforce,
/// as it has no clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The maximum age of a connection, after which it is closed with 1001. Each connection's
    /// maximum is randomly up to a tenth shorter, so that connections that opened together do not
    /// close together. `None`, the default, is no limit.
    pub max_age: Option<Duration>,
    /// The maximum number of bytes that the peer may send a second, on the wire and without the
    /// opening handshake. `None`, the default, is no limit. No connection is closed for exceeding
    /// it. Instead it is read no faster, which holds the peer up as soon as the buffers in between
    /// are full. The bytes of one second may be read together.
    pub max_bytes_per_second: Option<NonZeroU32>,
    /// The time for which the peer may accept no sent bytes, although its kernel answers, before it
    /// is disconnected with 1008. `None` is no limit. 60 seconds by default.
    pub send_timeout: Option<Duration>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            max_age: None,
            max_bytes_per_second: None,
            send_timeout: Some(Duration::from_secs(60)),
        }
    }
}
