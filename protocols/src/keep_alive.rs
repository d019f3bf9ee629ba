//! Whether a silent peer is still there, counted in ticks so that no message costs a look at the
//! clock.

use std::time::Duration;

use crate::error::ProtocolError;

/// A tick behind a sign of life takes this part of a ping interval, and any tick no more than this part
/// of the idle timeout: both are exact to a quarter.
const PARTS: u32 = 4;

/// This much of an unfinished frame is a sign of life: less may be a peer that means to hold what it
/// has begun, a byte now and then.
const LIVELY: usize = 1024;

/// What is known of a peer's being there. Small: every connection has one. Times are in milliseconds,
/// and zero stands for never.
#[derive(Debug)]
pub(crate) struct KeepAlive {
    /// After how much silence the peer is idle.
    idle: u32,
    /// After how much silence it is pinged.
    ping: u32,
    /// How long it has to answer.
    pong: u32,
    /// How long the tick is that runs.
    tick: u32,
    /// For how long it has been silent at least.
    silent: u32,
    /// For how long it has been neither heard, as far as is known, nor pinged.
    unasked: u32,
    /// Whether the tick that runs is for its answer.
    is_pinged: bool,
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
    /// A peer whose silence begins now. It does not get longer for an answer than from one ping to
    /// the next.
    pub(crate) fn new(
        idle_timeout: Option<Duration>,
        ping_interval: Option<Duration>,
        pong_timeout: Duration,
    ) -> Self {
        let ping = ping_interval.map_or(0, millis);
        let mut keep_alive = Self {
            idle: idle_timeout.map_or(0, millis),
            ping,
            pong: millis(pong_timeout).min(ping),
            tick: 0,
            silent: 0,
            unasked: 0,
            is_pinged: false,
            is_active: false,
            trickled: 0,
        };
        keep_alive.tick = keep_alive.next_tick();
        keep_alive
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
        let was_pinged = std::mem::take(&mut self.is_pinged);
        if std::mem::take(&mut self.is_active) {
            self.silent = 0;
            // What came since a ping is taken for its answer, which came at once: so one that says
            // nothing else is pinged at each interval, as routers on the way need it.
            self.unasked = if was_pinged { self.tick } else { 0 };
        } else {
            self.silent = self.silent.saturating_add(self.tick);
            self.unasked = self.unasked.saturating_add(self.tick);
            if self.idle > 0 && self.silent >= self.idle {
                return TickAction::TimedOut(ProtocolError::Idle);
            }
            if was_pinged {
                return TickAction::TimedOut(ProtocolError::Unanswered);
            }
        }
        let is_due = self.ping > 0 && self.unasked >= self.ping;
        if is_due {
            self.unasked = 0;
            self.is_pinged = can_ping;
        }
        self.tick = self.next_tick();
        if self.is_pinged {
            TickAction::Ping
        } else {
            TickAction::None
        }
    }

    /// How long the tick that runs is; `None` for ever. It changes with [`on_tick`](Self::on_tick)
    /// alone.
    #[inline]
    pub(crate) fn tick(&self) -> Option<Duration> {
        (self.tick > 0).then(|| Duration::from_millis(self.tick.into()))
    }

    fn next_tick(&self) -> u32 {
        let until_ping = match (self.ping, self.unasked) {
            (0, _) => None,
            (_, _) if self.is_pinged => Some(self.pong),
            (ping, 0) => Some(ping.div_ceil(PARTS)),
            (ping, unasked) => Some(ping.saturating_sub(unasked).max(1)),
        };
        let until_idle = (self.idle > 0).then(|| {
            let left = self.idle.saturating_sub(self.silent);
            self.idle.div_ceil(PARTS).min(left)
        });
        until_ping.into_iter().chain(until_idle).min().unwrap_or(0)
    }
}

/// Whole milliseconds, one at least.
pub(crate) fn millis(time: Duration) -> u32 {
    let millis = time.as_nanos().div_ceil(1_000_000).max(1);
    u32::try_from(millis).unwrap_or(u32::MAX)
}
