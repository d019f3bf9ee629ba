//! The clocks of a connection, in addition to the timer of its session.

use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use super::message_rate::MessageRate;
use super::terms::Terms;
use crate::random::entropy;

/// The clocks of a connection. Most connections have none.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    /// The time since which the peer's messages are counted; `None` before the first check.
    pub(super) counted_since: Option<std::time::Instant>,
    /// Expires when the connection reaches its maximum age.
    age: Option<Alarm>,
    pub(super) pace: Option<Pace>,
    pub(super) together: Option<SharedRate>,
    stall: Option<Stall>,
}

/// An event that a clock reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClockEvent {
    /// The connection has reached its maximum age.
    Age,
    /// The peer has accepted no sent bytes for the send timeout.
    Stall,
}

/// A limit on the rate of messages over several connections together.
#[derive(Debug)]
pub(super) struct SharedRate {
    pub(super) rate: Arc<MessageRate>,
    /// The number of this connection's messages that are counted already.
    pub(super) counted: u64,
}

/// A limit on the rate at which bytes are read.
#[derive(Debug)]
pub(super) struct Pace {
    rate: NonZeroU32,
    /// The time at which the bytes read so far would have arrived at the permitted rate.
    ahead: Instant,
    alarm: Option<Alarm>,
}

/// The state of a peer that accepts no more bytes.
#[derive(Debug)]
struct Stall {
    /// The number of bytes that had been sent when the stall began.
    sent: u64,
    alarm: Alarm,
}

/// A point in time. The timer is armed at the first poll.
#[derive(Debug)]
struct Alarm {
    at: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Clocks {
    /// Creates and starts the clocks that the terms require; `None` if there are none.
    pub(super) fn of(terms: &Terms) -> Option<Box<Self>> {
        let Terms {
            max_age,
            max_bytes_per_second,
            send_timeout: _,
        } = terms;
        let age = max_age.map(|max| Alarm::after(max - jitter(max)));
        let pace = max_bytes_per_second.map(Pace::new);
        (age.is_some() || pace.is_some()).then(|| {
            Box::new(Self {
                age,
                pace,
                ..Self::default()
            })
        })
    }

    /// Records that output waits for the peer, which has accepted `sent` bytes so far.
    pub(super) fn note_wait(&mut self, sent: u64, timeout: Duration) {
        if self.stall.as_ref().is_none_or(|stall| stall.sent != sent) {
            let alarm = Alarm::after(timeout);
            self.stall = Some(Stall { sent, alarm });
        }
    }

    /// Ready when a clock has expired. Each expiry is reported once.
    pub(super) fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<ClockEvent> {
        if let Some(age) = &mut self.age
            && age.poll(cx).is_ready()
        {
            self.age = None;
            return Poll::Ready(ClockEvent::Age);
        }
        if let Some(stall) = &mut self.stall
            && stall.alarm.poll(cx).is_ready()
        {
            self.stall = None;
            return Poll::Ready(ClockEvent::Stall);
        }
        Poll::Pending
    }
}

impl Pace {
    fn new(rate: NonZeroU32) -> Self {
        Self {
            rate,
            ahead: Instant::now(),
            alarm: None,
        }
    }

    /// Ready when more may be read. Yields the maximum size of the read, in bytes.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        if let Some(alarm) = &mut self.alarm {
            ready!(alarm.poll(cx));
            self.alarm = None;
        }
        Poll::Ready(usize::try_from(self.rate.get()).unwrap_or(usize::MAX))
    }

    /// Records that `count` bytes have been read.
    pub(super) fn record(&mut self, count: usize) {
        let now = Instant::now();
        // An unused allowance is carried over for up to one second.
        let begin = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        let seconds = count as f64 / f64::from(self.rate.get());
        self.ahead = self.ahead.max(begin) + Duration::from_secs_f64(seconds);
        self.alarm = (self.ahead > now).then(|| Alarm::at(self.ahead));
    }
}

impl Alarm {
    fn after(time: Duration) -> Self {
        let now = Instant::now();
        // A time too far off to be expressed is treated as `FAR`.
        Self::at(now.checked_add(time).unwrap_or(now + FAR))
    }

    fn at(at: Instant) -> Self {
        Self { at, sleep: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        // Without `unconstrained`, a task whose tokio budget is exhausted would not be registered.
        pin!(unconstrained(sleep.as_mut())).poll(cx)
    }
}

/// Returns a random time of up to a tenth of `time`.
fn jitter(time: Duration) -> Duration {
    let mut bytes = [0; 2];
    entropy(&mut bytes);
    let part = f64::from(u16::from_ne_bytes(bytes)) / f64::from(u16::MAX);
    (time / 10).mul_f64(part)
}

/// The time after which no alarm matters: 30 years.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_are_read_at_the_permitted_rate_with_a_burst_of_one_second() {
        let began = Instant::now();
        let mut pace = Pace::new(NonZeroU32::new(1000).unwrap());
        // Small reads, and reads as large as is permitted.
        for count in [10, 1000] {
            for _ in 0..10_000 / count {
                assert_eq!(poll_fn(|cx| pace.poll_room(cx)).await, 1000);
                pace.record(count);
            }
        }
        let passed = began.elapsed().as_secs_f64();
        assert!((18.0..=20.1).contains(&passed), "{passed} s");
        sleep(Duration::from_secs(100)).await;
        let began = Instant::now();
        for _ in 0..2 {
            poll_fn(|cx| pace.poll_room(cx)).await;
            pace.record(500);
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[test]
    fn the_jitter_of_timers_is_spread_over_a_tenth() {
        let hour = Duration::from_secs(3600);
        let all: Vec<_> = (0..1000).map(|_| jitter(hour)).collect();
        let least = all.iter().min().unwrap();
        let most = all.iter().max().unwrap();
        assert!(*least < hour / 100 && *most > hour * 9 / 100 && *most <= hour / 10);
    }
}
