//! Whether a silent peer is still there, counted in ticks so that no message costs a look at the
//! clock.

use std::time::Duration;

use crate::error::ProtocolError;

/// The idle timeout is looked at this many times before it ends: it is exact to a quarter.
const IDLE_TICKS: u32 = 4;

/// This much of an unfinished frame is a sign of life: less may be a peer that means to hold what it
/// has begun, a byte now and then.
const LIVELY: usize = 1024;

/// What is known of a peer's being there. Small: every connection has one.
#[derive(Debug)]
pub(crate) struct KeepAlive {
    tick: Option<Duration>,
    /// After how many silent ticks the peer is idle; zero for never.
    idle: u32,
    /// After how many it is pinged; zero for never.
    ping: u32,
    /// How many ticks have passed in silence.
    silent: u32,
    /// Whether anything has come since the last tick.
    is_active: bool,
    /// How much has come of an unfinished frame since the last sign of life.
    trickled: u16,
}

/// What to do after a tick.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TickAction {
    /// Nothing.
    None,
    /// Ask the peer for a sign of life.
    Ping,
    /// Give it up.
    TimedOut(ProtocolError),
}

impl KeepAlive {
    /// A peer whose silence begins now.
    pub(crate) fn new(idle_timeout: Option<Duration>, ping_interval: Option<Duration>) -> Self {
        let tick = match (idle_timeout, ping_interval) {
            (None, ping) => ping.map(|ping| ping.as_nanos()),
            // A divisor of the ping interval too, or the ping would be late and the peer idle
            // before it was asked.
            (Some(idle), ping) => {
                let shorter = ping.unwrap_or(idle).min(idle);
                Some(shorter.as_nanos().div_ceil(IDLE_TICKS.into()))
            }
        };
        let tick = tick.map(|nanos| nanos.max(1));
        let ticks = |time: Option<Duration>| {
            let ticks = time
                .zip(tick)
                .map(|(time, tick)| time.as_nanos().div_ceil(tick).max(1));
            ticks.map_or(0, |ticks| u32::try_from(ticks).unwrap_or(u32::MAX))
        };
        Self {
            tick: tick.map(|nanos| Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))),
            idle: ticks(idle_timeout),
            ping: ticks(ping_interval),
            silent: 0,
            is_active: false,
            trickled: 0,
        }
    }

    /// Notes that the peer gives a sign of life.
    #[inline]
    pub(crate) fn record_activity(&mut self) {
        self.is_active = true;
    }

    /// Notes that so many messages have come: none may be.
    #[inline]
    pub(crate) fn record_messages(&mut self, count: u32) {
        self.is_active |= count > 0;
    }

    /// Notes that so many bytes have come of a frame that has not ended.
    pub(crate) fn record_part(&mut self, len: usize) {
        let trickled = len.saturating_add(self.trickled.into());
        let is_lively = trickled >= LIVELY;
        self.is_active |= is_lively;
        self.trickled = if is_lively {
            0
        } else {
            u16::try_from(trickled).unwrap_or(0)
        };
    }

    /// Says what to do after a [`tick`](Self::tick). A peer that turned out to know no pings
    /// (hybi-01 to -03, whose framing its first byte tells) `can_ping` not.
    pub(crate) fn on_tick(&mut self, can_ping: bool) -> TickAction {
        if std::mem::take(&mut self.is_active) {
            self.silent = 0;
            return TickAction::None;
        }
        self.silent = self.silent.saturating_add(1);
        if self.idle > 0 && self.silent >= self.idle {
            return TickAction::TimedOut(ProtocolError::Idle);
        }
        if self.ping == 0 || !can_ping {
            return TickAction::None;
        }
        if self.silent >= self.ping.saturating_mul(2) {
            TickAction::TimedOut(ProtocolError::Unanswered)
        } else if self.silent == self.ping {
            TickAction::Ping
        } else {
            TickAction::None
        }
    }

    /// How long a tick is; `None` for ever.
    #[inline]
    pub(crate) fn tick(&self) -> Option<Duration> {
        self.tick
    }
}
