//! Limits and times of a session.

use std::time::Duration;

/// How a session behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Bytes of payload in a message that is received.
    pub max_message: u64,
    /// Messages that are received within a second, whatever their size; `None` for any number. A peer
    /// that keeps to it is never cut off; one that sends twice as many always is.
    pub max_messages_per_second: Option<u32>,
    /// How long our closing handshake waits for its answer.
    pub close_timeout: Duration,
    /// How long nothing may be received before the peer is given up; `None` for ever.
    pub idle_timeout: Option<Duration>,
    /// After how much silence a ping is sent, in protocols that have pings; a peer that is silent
    /// for as long again is given up. `None` sends none.
    pub ping_interval: Option<Duration>,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            max_message: 64 << 20,
            max_messages_per_second: None,
            close_timeout: Duration::from_secs(3),
            idle_timeout: None,
            ping_interval: None,
        }
    }
}
