//! How fast a peer sends, and what becomes of a connection where that is too fast.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use polysock_protocols::{Close, CloseCode};

use super::clocks::Together;
use super::message_rate::MessageRate;
use super::{Connection, ShutdownSignal};
use crate::error::ConnectionError;

impl Connection {
    /// Counts its messages together with those of other connections.
    pub(crate) fn count_with(&mut self, rate: Arc<MessageRate>) {
        let clocks = self.negotiated.rare.clocks_or_new();
        clocks.together = Some(Together { rate, counted: 0 });
    }

    /// Counts those that are not counted yet, of a connection that has ended: its peer may come again.
    pub(super) fn count_rest(&mut self) {
        let clocks = self.negotiated.rare.clocks_mut();
        if let Some(together) = clocks.and_then(|clocks| clocks.together.take()) {
            let (received, _) = self.session.messages();
            let more = received.saturating_sub(together.counted);
            together.rate.spend(more, Instant::now());
        }
    }

    /// Reads no faster than the peer may send. One that has to wait is not taken for silent.
    #[cold]
    pub(super) fn poll_read_paced(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let is_open = self.session.is_open();
        let clocks = self.negotiated.rare.clocks_mut().filter(|_| is_open);
        let Some(pace) = clocks.and_then(|clocks| clocks.pace.as_mut()) else {
            return self.io.poll_read(cx);
        };
        let Poll::Ready(room) = pace.poll_room(cx) else {
            self.session.record_progress();
            self.io.pause();
            return Poll::Pending;
        };
        let read = self.io.poll_read_at_most(room, cx);
        if let Poll::Ready(Ok(count)) = read {
            pace.record(count);
        }
        read
    }

    /// Whether its own messages or control frames come too fast: then it fails of that.
    #[cold]
    pub(super) fn is_too_fast(&mut self) -> bool {
        let now = Instant::now();
        let negotiated = &mut *self.negotiated;
        let row = self.shutdown.as_ref().and_then(ShutdownSignal::row);
        let opened = row.map(|row| row.facts().opened);
        let clocks = negotiated.rare.clocks_or_new();
        let since = clocks.counted_since.replace(now).or(opened);
        let second_has_passed = since.is_none_or(|since| now - since >= Duration::from_secs(1));
        let checked = self.session.check_pace(second_has_passed);
        checked.map_err(|error| self.fail(error)).is_err()
    }

    /// Whether more messages have come over several connections together than may: then this one fails of
    /// it.
    #[cold]
    pub(super) fn is_too_fast_together(&mut self) -> bool {
        let (received, _) = self.session.messages();
        let clocks = self.negotiated.rare.clocks_mut();
        let together = clocks.and_then(|clocks| clocks.together.as_mut());
        let Some(together) = together.filter(|together| received > together.counted) else {
            return false;
        };
        let more = received - std::mem::replace(&mut together.counted, received);
        if together.rate.take(more, Instant::now()) || self.session.closed().is_some() {
            return false;
        }
        let limit = together.rate.limit().get();
        let error = ConnectionError::TooManyMessages { limit };
        let close = Close::new(CloseCode::POLICY_VIOLATION, error.to_string());
        self.session.give_up(close);
        self.fail(error);
        true
    }
}
