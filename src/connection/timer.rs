//! A timer of a session that runs.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use polysock_protocols::Timer;
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep};

#[derive(Debug)]
pub(super) struct ArmedTimer {
    sleep: Pin<Box<Sleep>>,
    /// Which timer: how long one takes does not change before it has run down.
    is_of_close: bool,
    /// Whether it wakes who waits for the connection, until it has run down.
    is_set: bool,
}

impl ArmedTimer {
    /// Waits for a timer, which is armed where it is not the one that runs.
    pub(super) fn poll(this: &mut Option<Self>, timer: Timer, cx: &mut Context<'_>) -> Poll<()> {
        let is_of_close = matches!(timer, Timer::Close(_));
        let armed = match this {
            Some(armed) if armed.is_of_close == is_of_close => armed,
            other => other.insert(Self::new(timer)),
        };
        // Nearly always: it was something else that woke the task.
        if armed.is_set && !armed.sleep.is_elapsed() {
            return Poll::Pending;
        }
        armed.is_set = true;
        // A task whose budget is spent would not be registered, and be passed over above.
        pin!(unconstrained(armed.sleep.as_mut())).poll(cx)
    }

    /// For how long it runs already, where this is the timer that runs.
    pub(super) fn elapsed(&self, timer: Timer) -> Duration {
        let (Timer::KeepAlive(duration) | Timer::Close(duration)) = timer;
        let left = self
            .sleep
            .deadline()
            .saturating_duration_since(Instant::now());
        duration.saturating_sub(left)
    }

    /// Has it wake another task, which polls it next.
    pub(super) fn reset(&mut self) {
        self.is_set = false;
    }

    fn new(timer: Timer) -> Self {
        let (Timer::KeepAlive(duration) | Timer::Close(duration)) = timer;
        Self {
            sleep: Box::pin(sleep(duration)),
            is_of_close: matches!(timer, Timer::Close(_)),
            is_set: false,
        }
    }
}
