//! Limits on the rate at which a peer sends, and their enforcement.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use polysock_protocols::{Close, CloseCode};

use super::clocks::SharedRate;
use super::message_rate::MessageRate;
use super::{Connection, ShutdownSignal};
use crate::error::ConnectionError;

impl Connection {
    /// Counts the messages of this connection together with those of others.
    pub(crate) fn count_with(&mut self, rate: Arc<MessageRate>) {
        let clocks = self.negotiated.rare.clocks_or_new();
        clocks.together = Some(SharedRate { rate, counted: 0 });
    }

    /// Counts the messages not yet counted when the connection ends, as its peer may reconnect.
    pub(super) fn count_rest(&mut self) {
        let clocks = self.negotiated.rare.clocks_mut();
        if let Some(together) = clocks.and_then(|clocks| clocks.together.take()) {
            let (received, _) = self.session.messages();
            let more = received.saturating_sub(together.counted);
            together.rate.spend(more, Instant::now());
        }
    }

    /// Reads no faster than the terms permit. A peer that is held up is not treated as silent.
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

    /// True if the peer sends messages or control frames too fast. The connection then fails.
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

    /// True if the connections that are counted together have received too many messages. This
    /// connection then fails.
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
