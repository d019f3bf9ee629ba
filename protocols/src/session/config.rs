//! Limits and timeouts of a session.

use std::time::Duration;

/// The limits and timeouts of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// The longest message that may be received, in bytes of payload.
    pub max_message: u64,
    /// The number of messages that may be received in a second, of any size; `None` for no limit. A
    /// peer within the limit is never cut off; a peer that sends more than twice as many always is.
    pub max_messages_per_second: Option<u32>,
    /// The time that the peer has to answer our close.
    pub close_timeout: Duration,
    /// The time without a sign of life after which the peer is given up; `None` for no limit.
    pub idle_timeout: Option<Duration>,
    /// The silence after which a ping is sent, in protocols that have pings. A peer that sends
    /// nothing but pongs is pinged this often. `None` disables pings.
    pub ping_interval: Option<Duration>,
    /// The time that a peer has to answer a ping, or to send anything else, before it is given up;
    /// at most the ping interval.
    pub pong_timeout: Duration,
    /// Whether the answer to a close repeats the reason and not only the code (optional, RFC 6455
    /// §5.5.1).
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
