//! What a connection is held to beside its session.

use std::num::NonZeroU32;
use std::time::Duration;

/// What a connection is held to beside its [session](polysock_protocols::SessionConfig), which has no
/// clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long it may be open; then it is closed with 1001. Each connection gets up to a tenth less, so
    /// that those which came together do not go together. `None`, the default, for ever.
    pub max_age: Option<Duration>,
    /// How many bytes its peer may send within a second, on the wire and without the opening handshake;
    /// `None`, the default, for any number. Nobody is closed for more: it is read no faster, which holds
    /// up the peer as soon as the buffers on the way are full. What came within a second is read at
    /// once.
    pub max_bytes_per_second: Option<NonZeroU32>,
    /// How long its peer may take nothing of what is sent to it, although its kernel answers, before it is
    /// cut with 1008; `None` for ever. 60 seconds by default.
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
