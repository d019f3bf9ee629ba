//! How fast messages come over several connections together.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

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

    /// How many may come in a second.
    pub(super) fn limit(&self) -> NonZeroU32 {
        self.limit
    }

    /// Counts so many more at this time; whether they may come.
    pub(super) fn take(&self, count: u64, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.began).as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let second = u64::try_from(SECOND.as_nanos()).unwrap_or(u64::MAX);
        let needs = count.saturating_mul(second / u64::from(self.limit.get()));
        let taken = self
            .full_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
                let full_at = full_at.max(now).saturating_add(needs);
                (full_at <= now.saturating_add(second)).then_some(full_at)
            });
        taken.is_ok()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
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
            assert_eq!(
                rate.take(count, at(millis)),
                may_come,
                "{count} at {millis}"
            );
        }
    }
}
