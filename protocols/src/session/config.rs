//! Limits and times of a session.

use std::time::Duration;

/// How a session behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Bytes of payload in a message that is received.
    pub max_message: u64,
    /// Messages that are received within a second, whatever their size; `None` for any number. A peer
    /// that keeps to it is never cut off; one that sends more than twice as many always is.
    pub max_messages_per_second: Option<u32>,
    /// How long our closing handshake waits for its answer.
    pub close_timeout: Duration,
    /// How long nothing may be received before the peer is given up; `None` for ever.
    pub idle_timeout: Option<Duration>,
    /// After how much silence a ping is sent, in protocols that have pings; one that gives no other
    /// sign of life than its answers is pinged this often. `None` sends none.
    pub ping_interval: Option<Duration>,
    /// How long a peer has for an answer to a ping, or any other sign of life, before it is given up; no
    /// longer than the ping interval.
    pub pong_timeout: Duration,
    /// Whether the answer to a close has its reason, beside its code (RFC 6455 §5.5.1 leaves that open).
    pub echo_reason: bool,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            max_message: 64 << 20,
            max_messages_per_second: None,
            close_timeout: Duration::from_secs(3),
            idle_timeout: None,
            ping_interval: None,
            pong_timeout: Duration::from_secs(8),
            echo_reason: false,
        }
    }
}
