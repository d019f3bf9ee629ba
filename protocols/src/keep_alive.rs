//! Detection of peers that are no longer alive, in ticks, so that no message needs to read the
//! clock.

use std::time::Duration;

use crate::error::ProtocolError;

/// A tick after a sign of life lasts a ping interval divided by this, and no tick is longer than
/// the idle timeout divided by this: both times are exact to a quarter.
const PARTS: u32 = 4;

/// The bytes of an unfinished frame that count as a sign of life. Fewer could come from a peer that
/// keeps a frame open by sending a byte now and then.
const LIVELY: usize = 1024;

/// The liveness of a peer. Small, as every connection has one. Times are in milliseconds, and zero
/// means never.
#[derive(Debug)]
pub(crate) struct KeepAlive {
    /// The silence after which the peer is given up as idle.
    idle: u32,
    /// The silence after which the peer is pinged.
    ping: u32,
    /// The time that the peer has to answer a ping.
    pong: u32,
    /// The length of the current tick.
    tick: u32,
    /// The shortest time for which the peer can have been silent.
    silent: u32,
    /// The time since the peer was last pinged or, as far as is known, heard.
    unasked: u32,
    /// True if the current tick is the time for the answer to a ping.
    is_pinged: bool,
    /// True if there was a sign of life in the current tick.
    is_active: bool,
    /// The bytes of an unfinished frame since the last sign of life.
    trickled: u16,
}

/// The action to take after a tick.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TickAction {
    /// No action.
    None,
    /// Send a ping.
    Ping,
    /// Give the peer up.
    TimedOut(ProtocolError),
}

impl KeepAlive {
    /// Creates the state for a peer whose silence begins now. The time for an answer is limited to
    /// the ping interval.
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

    /// Records a sign of life.
    #[inline]
    pub(crate) fn record_activity(&mut self) {
        self.is_active = true;
    }

    /// Records received messages; `count` may be 0.
    #[inline]
    pub(crate) fn record_messages(&mut self, count: u32) {
        self.is_active |= count > 0;
    }

    /// Records received bytes of a frame that has not ended.
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

    /// Ends a [`tick`](Self::tick) and returns the action to take. `can_ping` is false for a peer
    /// that turned out to know no pings: the first byte from a hybi-01 to -03 client decides the
    /// framing.
    pub(crate) fn on_tick(&mut self, can_ping: bool) -> TickAction {
        let was_pinged = std::mem::take(&mut self.is_pinged);
        if std::mem::take(&mut self.is_active) {
            self.silent = 0;
            // Data after a ping counts as an immediate answer to it: so a peer that sends nothing
            // but pongs is pinged at each interval, which routers in between need to keep the
            // connection.
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

    /// Returns the length of the current tick; `None` if it never ends. Only
    /// [`on_tick`](Self::on_tick) changes it.
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

/// Returns a time in whole milliseconds, at least one.
pub(crate) fn millis(time: Duration) -> u32 {
    let millis = time.as_nanos().div_ceil(1_000_000).max(1);
    u32::try_from(millis).unwrap_or(u32::MAX)
}
