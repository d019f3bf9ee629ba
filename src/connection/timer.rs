//! A timer of a session that runs.

use std::mem::{Discriminant, discriminant};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use polysock_protocols::Timer;
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep};

use super::woken::Woken;

#[derive(Debug)]
pub(super) struct ArmedTimer {
    /// Which timer: how long one takes does not change before it has run down.
    kind: Discriminant<Timer>,
    sleep: Pin<Box<Sleep>>,
    /// The task that it wakes, whose waker it keeps until it has run down.
    task: Woken,
}

impl ArmedTimer {
    /// Waits for a timer, which is armed where it is not the one that runs.
    pub(super) fn poll(this: &mut Option<Self>, timer: Timer, cx: &mut Context<'_>) -> Poll<()> {
        let (kind, task) = (discriminant(&timer), Woken::of(cx.waker()));
        let armed = match this {
            // Nearly always: it was something else that woke the task.
            Some(armed) if armed.is_set(kind, task) => return Poll::Pending,
            Some(armed) if armed.kind == kind => {
                armed.task = task;
                armed
            }
            other => other.insert(Self::new(timer, task)),
        };
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

    fn new(timer: Timer, task: Woken) -> Self {
        let (Timer::KeepAlive(duration) | Timer::Close(duration)) = timer;
        Self {
            kind: discriminant(&timer),
            sleep: Box::pin(sleep(duration)),
            task,
        }
    }

    /// Whether it is of this kind, has not run down, and wakes this task when it does.
    fn is_set(&self, kind: Discriminant<Timer>, task: Woken) -> bool {
        self.kind == kind && self.task == task && !self.sleep.is_elapsed()
    }
}
