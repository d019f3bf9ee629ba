//! One timer for many deadlines.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer for one deadline after another. Most deadlines are put off before they expire, so the
/// timer is reset only when it fires, or for an earlier deadline.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `limit` has passed since `since`; pending for ever if that time cannot be
    /// represented. The timer may wake the task earlier, for another deadline.
    pub(crate) fn poll(
        &mut self,
        since: Instant,
        limit: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(deadline) = since.checked_add(limit) else {
            return Poll::Pending;
        };
        let timer = self
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < timer.deadline() {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::advance;

    use super::*;

    /// Waits for a deadline and returns the seconds that it took.
    async fn rings_after(alarm: &mut Alarm, seconds: u64) -> u64 {
        let since = Instant::now();
        poll_fn(|cx| alarm.poll(since, Duration::from_secs(seconds), cx)).await;
        since.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_fires_at_each_deadline_after_any_earlier_one() {
        let mut alarm = Alarm::default();
        for seconds in [10, 60, 5, 5, 60] {
            assert_eq!(rings_after(&mut alarm, seconds).await, seconds);
        }
        // A deadline that is replaced before it expires.
        let since = Instant::now();
        let minute = Duration::from_secs(60);
        assert!(futures_util::poll!(poll_fn(|cx| alarm.poll(since, minute, cx))).is_pending());
        advance(Duration::from_secs(30)).await;
        for seconds in [40, 20] {
            assert_eq!(rings_after(&mut alarm, seconds).await, seconds);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_with_a_deadline_too_far_away_never_fires() {
        let mut alarm = Alarm::default();
        let since = Instant::now();
        let ringing = poll_fn(|cx| alarm.poll(since, Duration::MAX, cx));
        assert!(futures_util::poll!(ringing).is_pending());
    }
}
