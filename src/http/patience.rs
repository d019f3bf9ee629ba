//! How long a peer may keep us waiting that asks for something.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::alarm::Alarm;

/// How long a peer may take for the next [`LEAST`] bytes of a request, or of the answer that it is to
/// take.
pub(super) const PROGRESS: Duration = Duration::from_secs(30);

/// What counts as progress: with less, a peer that moves a byte now and then would be waited for as
/// long as it likes.
const LEAST: usize = 1024;

/// Measures the waiting for one direction of one peer.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Since when it is waited.
    since: Option<Instant>,
    /// How long it was waited before that, without progress.
    waited: Duration,
    /// What has moved meanwhile.
    moved: usize,
    alarm: Alarm,
}

impl Patience {
    /// Ready once the waiting has taken so long. Asked whenever there is nothing to do but wait.
    pub(super) fn poll_over(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let left = limit.saturating_sub(self.waited);
        self.alarm.poll(since, left, cx)
    }

    /// So many bytes have moved.
    pub(super) fn record(&mut self, count: usize) {
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
        self.moved = self.moved.saturating_add(count);
        if self.moved >= LEAST {
            self.end();
        }
    }

    /// Whether something is waited for.
    pub(super) fn is_begun(&self) -> bool {
        self.since.is_some()
    }

    /// What was waited for is there.
    pub(super) fn end(&mut self) {
        self.since = None;
        self.waited = Duration::ZERO;
        self.moved = 0;
    }
}
