//! How long a peer may keep us waiting that asks for something.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

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
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Ready once the waiting has taken so long. Asked whenever there is nothing to do but wait.
    pub(super) fn poll_over(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let deadline = since + limit.saturating_sub(self.waited);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
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
