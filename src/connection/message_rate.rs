//! How fast messages come over several connections together.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How fast messages may come over several connections together: a second's worth at once, and then as they
/// are allowed.
#[derive(Debug)]
pub(crate) struct MessageRate {
    limit: NonZeroU32,
    began: Instant,
    /// When a second's worth may come at once again, in nanoseconds from the beginning.
    full_at: AtomicU64,
}

impl MessageRate {
    /// So many a second. Nothing has come yet.
    pub(crate) fn new(limit: NonZeroU32) -> Self {
        Self {
            limit,
            began: Instant::now(),
            full_at: AtomicU64::new(0),
        }
    }

    /// Whether a second's worth may come at once at this time, so that nothing need be known of it.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at.load(Ordering::Relaxed) <= self.nanoseconds(now)
    }

    /// How many may come in a second.
    pub(super) fn limit(&self) -> NonZeroU32 {
        self.limit
    }

    /// Counts so many more at this time, if they may come; whether they may.
    pub(super) fn take(&self, count: u64, now: Instant) -> bool {
        self.change(count, now, |full_at, latest| {
            (full_at <= latest).then_some(full_at)
        })
    }

    /// Counts so many that have come by this time, whether they may or not.
    pub(super) fn spend(&self, count: u64, now: Instant) {
        self.change(count, now, |full_at, latest| Some(full_at.min(latest)));
    }

    /// Counts so many as `change` says, which is told when a second's worth could come again then, and the
    /// latest that this may be.
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

/// In nanoseconds.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// Takes so many out of what holds a second's worth, of so many a second, and would be full again at `full_at`: when it
/// is full again then, and the latest that this may be. All in nanoseconds.
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
    fn a_second_of_messages_may_come_at_once_and_no_more() {
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
        // What has come counts, but for a second and no longer.
        rate.spend(100, at(20_000));
        for (millis, may_come) in [(20_000, false), (20_099, false), (20_100, true)] {
            assert_eq!(rate.take(1, at(millis)), may_come, "at {millis}");
        }
        assert!(!rate.is_full(at(21_099)) && rate.is_full(at(21_100)));
    }
}
