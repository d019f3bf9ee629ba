//! Histograms of durations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The number of bounds of a histogram.
pub(crate) const BOUNDS: usize = 9;

/// The bounds for short durations: a millisecond to ten seconds.
pub(crate) const MOMENTS: [Duration; BOUNDS] = [
    Duration::from_millis(1),
    Duration::from_millis(3),
    Duration::from_millis(10),
    Duration::from_millis(30),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
];

/// The bounds for the age of connections: a second to a week.
pub(crate) const AGES: [Duration; BOUNDS] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(6 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
    Duration::from_secs(7 * 24 * 60 * 60),
];

/// A histogram of durations.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// The number of durations above the previous bound and up to this one; the last bucket is for
    /// durations above all bounds.
    buckets: [AtomicU64; BOUNDS + 1],
    /// The sum of the durations, in microseconds.
    sum: AtomicU64,
}

/// A snapshot of a histogram.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Durations {
    /// The count of each bucket, not cumulative.
    pub(crate) buckets: [u64; BOUNDS + 1],
    pub(crate) sum: Duration,
}

impl Histogram {
    /// Records a duration.
    pub(crate) fn observe(&self, bounds: &[Duration; BOUNDS], took: Duration) {
        let bucket = bounds.iter().take_while(|bound| took > **bound).count();
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn durations(&self) -> Durations {
        Durations {
            buckets: self
                .buckets
                .each_ref()
                .map(|bucket| bucket.load(Ordering::Relaxed)),
            sum: Duration::from_micros(self.sum.load(Ordering::Relaxed)),
        }
    }
}

impl Durations {
    /// Adds another snapshot.
    pub(crate) fn add(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket += more;
        }
        self.sum += other.sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_equal_to_a_bound_is_in_the_bucket_of_the_bound() {
        let histogram = Histogram::default();
        for millis in [0, 1, 2, 3, 4, 10_000, 10_001, 1_000_000] {
            histogram.observe(&MOMENTS, Duration::from_millis(millis));
        }
        let Durations { buckets, sum } = histogram.durations();
        assert_eq!(buckets, [2, 2, 1, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(sum, Duration::from_millis(1_020_011));
    }
}
