//! The time limit for a peer that makes no progress with its request or its answer.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::alarm::Alarm;

/// The time that a peer may take to send the next [`LEAST`] bytes of a request, or to read those of
/// its answer.
pub(super) const PROGRESS: Duration = Duration::from_secs(30);

/// The number of bytes that count as progress. Without a minimum, a peer that moves a byte now and
/// then could keep its connection for ever.
const LEAST: usize = 1024;

/// A measure of the time spent waiting for one direction of one peer.
#[derive(Debug, Default)]
pub(super) struct ProgressTimeout {
    /// The start of the current wait; `None` if nothing is awaited.
    since: Option<Instant>,
    /// The time of earlier waits since the last progress.
    waited: Duration,
    /// The number of bytes moved since the last progress.
    moved: usize,
    alarm: Alarm,
}

impl ProgressTimeout {
    /// Ready once the waits without progress have reached the limit. To be polled whenever nothing
    /// else can be done.
    pub(super) fn poll_over(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let left = limit.saturating_sub(self.waited);
        self.alarm.poll(since, left, cx)
    }

    /// Records that `count` bytes have moved.
    pub(super) fn record(&mut self, count: usize) {
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
        self.moved = self.moved.saturating_add(count);
        if self.moved >= LEAST {
            self.end();
        }
    }

    /// True if a wait is under way.
    pub(super) fn is_begun(&self) -> bool {
        self.since.is_some()
    }

    /// Resets the measure: the awaited bytes have moved.
    pub(super) fn end(&mut self) {
        self.since = None;
        self.waited = Duration::ZERO;
        self.moved = 0;
    }
}
