//! A limit on the rate of messages over several connections together.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A token bucket for the messages of several connections: it holds one second's worth of messages,
/// and refills at the permitted rate.
#[derive(Debug)]
pub(crate) struct MessageRate {
    limit: NonZeroU32,
    began: Instant,
    /// The time at which the bucket is full again, in nanoseconds since `began`.
    full_at: AtomicU64,
}

impl MessageRate {
    /// Creates a full bucket of `limit` messages a second.
    pub(crate) fn new(limit: NonZeroU32) -> Self {
        Self {
            limit,
            began: Instant::now(),
            full_at: AtomicU64::new(0),
        }
    }

    /// True if the bucket is full at this time, so that its state need not be kept.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at.load(Ordering::Relaxed) <= self.nanoseconds(now)
    }

    /// Returns the permitted number of messages a second.
    pub(super) fn limit(&self) -> NonZeroU32 {
        self.limit
    }

    /// Takes `count` messages at this time if the limit permits them all. Returns whether it does.
    pub(super) fn take(&self, count: u64, now: Instant) -> bool {
        self.change(count, now, |full_at, latest| {
            (full_at <= latest).then_some(full_at)
        })
    }

    /// Takes `count` messages at this time, regardless of the limit.
    pub(super) fn spend(&self, count: u64, now: Instant) {
        self.change(count, now, |full_at, latest| Some(full_at.min(latest)));
    }

    /// Takes `count` messages. `change` receives the time at which the bucket would be full again,
    /// and the latest such time that the limit permits. It returns the time to store, or `None` for
    /// no change.
    fn change(&self, count: u64, now: Instant, change: impl Fn(u64, u64) -> Option<u64>) -> bool {
        let now = self.nanoseconds(now);
        let counted = |full_at: u64| {
            let (full_at, latest) = spent(full_at, count, self.limit, now);
            change(full_at, latest)
        };
        let order = Ordering::Relaxed;
        self.full_at.fetch_update(order, order, counted).is_ok()
    }

    fn nanoseconds(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.began).as_nanos();
        u64::try_from(passed).unwrap_or(u64::MAX)
    }
}

/// One second, in nanoseconds.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// Takes `count` messages out of a bucket that is full at `full_at` and refills at `limit` a
/// second. Returns the time at which it is full again, and the latest such time that the limit
/// permits. All times are in nanoseconds.
pub(crate) fn spent(full_at: u64, count: u64, limit: NonZeroU32, now: u64) -> (u64, u64) {
    let needs = count.saturating_mul(SECOND / u64::from(limit.get()));
    let full_at = full_at.max(now).saturating_add(needs);
    (full_at, now.saturating_add(SECOND))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_of_one_second_is_permitted() {
        let rate = MessageRate::new(NonZeroU32::new(10).unwrap());
        let at = |millis| rate.began + Duration::from_millis(millis);
        for (count, millis, may_come) in [
            (6, 0, true),
            (4, 0, true),
            (1, 0, false),
            (1, 99, false),
            (1, 100, true),
            (1, 100, false),
            (5, 600, true),
            (11, 10_000, false),
            (10, 10_000, true),
            (0, 10_000, true),
        ] {
            let taken = rate.take(count, at(millis));
            assert_eq!(taken, may_come, "{count} at {millis}");
        }
        // Spent messages count, but for no more than a second.
        rate.spend(100, at(20_000));
        for (millis, may_come) in [(20_000, false), (20_099, false), (20_100, true)] {
            assert_eq!(rate.take(1, at(millis)), may_come, "at {millis}");
        }
        assert!(!rate.is_full(at(21_099)) && rate.is_full(at(21_100)));
    }
}
