//! A running timer of a session.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use polysock_protocols::Timer;
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep};

#[derive(Debug)]
pub(super) struct ArmedTimer {
    sleep: Pin<Box<Sleep>>,
    /// True for the close timer. The duration of a timer of one kind does not change while it runs.
    is_of_close: bool,
    /// True if the task that waits for the connection is registered with `sleep`.
    is_set: bool,
}

impl ArmedTimer {
    /// Polls a timer. If a timer of the other kind runs, or none, this one is armed first.
    pub(super) fn poll(this: &mut Option<Self>, timer: Timer, cx: &mut Context<'_>) -> Poll<()> {
        let is_of_close = matches!(timer, Timer::Close(_));
        let armed = match this {
            Some(armed) if armed.is_of_close == is_of_close => armed,
            other => other.insert(Self::new(timer)),
        };
        // The usual case: something else woke the task.
        if armed.is_set && !armed.sleep.is_elapsed() {
            return Poll::Pending;
        }
        armed.is_set = true;
        // Without `unconstrained`, a task whose tokio budget is exhausted would not be registered,
        // and the check above would then skip it.
        pin!(unconstrained(armed.sleep.as_mut())).poll(cx)
    }

    /// Returns how long the running timer has run.
    pub(super) fn elapsed(&self, timer: Timer) -> Duration {
        let (Timer::KeepAlive(duration) | Timer::Close(duration)) = timer;
        let left = self
            .sleep
            .deadline()
            .saturating_duration_since(Instant::now());
        duration.saturating_sub(left)
    }

    /// Registers another task, which polls the timer next.
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
