//! Whether a silent peer is still there, counted in ticks so that no message costs a look at the
//! clock.

use std::time::Duration;

use crate::error::ProtocolError;

/// The idle timeout is looked at this many times before it ends: it is exact to a quarter.
const IDLE_TICKS: u32 = 4;

/// What is known of a peer's being there.
#[derive(Debug)]
pub(crate) struct KeepAlive {
    idle_timeout: Option<Duration>,
    ping_interval: Option<Duration>,
    tick: Option<Duration>,
    /// Whether anything has come since the last tick.
    heard: bool,
    /// How many ticks have passed in silence.
    silent: u32,
}

/// What to do after a tick.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing.
    Well,
    /// Ask the peer for a sign of life.
    Ping,
    /// Give it up.
    Lost(ProtocolError),
}

impl KeepAlive {
    /// A peer whose silence begins now.
    pub(crate) fn new(idle_timeout: Option<Duration>, ping_interval: Option<Duration>) -> Self {
        let tick = match (idle_timeout, ping_interval) {
            (None, ping) => ping,
            // A divisor of the ping interval too, or the ping would be late and the peer idle
            // before it was asked.
            (Some(idle), ping) => ping.unwrap_or(idle).min(idle).checked_div(IDLE_TICKS),
        };
        Self {
            idle_timeout,
            ping_interval,
            tick,
            heard: false,
            silent: 0,
        }
    }

    /// Says that the peer gives a sign of life.
    #[inline]
    pub(crate) fn hear(&mut self) {
        self.heard = true;
    }

    /// Looks at what has come since the last look, a [`tick`](Self::tick) ago. A peer that turned
    /// out to know no pings (hybi-01 to -03, whose framing its first byte tells) `can_ping` not.
    pub(crate) fn look(&mut self, can_ping: bool) -> Look {
        let Some(tick) = self.tick() else {
            return Look::Well;
        };
        if std::mem::take(&mut self.heard) {
            self.silent = 0;
            return Look::Well;
        }
        let before = tick.saturating_mul(self.silent);
        self.silent = self.silent.saturating_add(1);
        let silence = tick.saturating_mul(self.silent);
        if self.idle_timeout.is_some_and(|timeout| silence >= timeout) {
            return Look::Lost(ProtocolError::Idle);
        }
        match self.ping_interval.filter(|_| can_ping) {
            Some(interval) if silence >= interval.saturating_mul(2) => {
                Look::Lost(ProtocolError::Unanswered)
            }
            Some(interval) if before < interval && silence >= interval => Look::Ping,
            _ => Look::Well,
        }
    }

    /// How long to wait before the next look; `None` for ever.
    #[inline]
    pub(crate) fn tick(&self) -> Option<Duration> {
        self.tick
    }
}
