//! The measurements of all connections of a run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::log::visible;

/// The measurements of all connections together.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// The time from a message to its answer, in nanoseconds.
    pub(super) latency: Histogram<u64>,
    /// The errors of connections, and the number of connections with each.
    pub(super) errors: BTreeMap<String, u64>,
    /// The number of connections without an answer yet.
    pub(super) silent: u64,
}

impl Tally {
    /// Creates an empty tally of this many connections without an answer.
    pub(super) fn new(silent: u64) -> Self {
        Self {
            latency: latencies(),
            errors: BTreeMap::new(),
            silent,
        }
    }

    /// The number of answered messages.
    pub(super) fn answers(&self) -> u64 {
        self.latency.len()
    }

    pub(super) fn count(&mut self, error: &impl ToString) {
        // An error may contain a close reason from the server.
        let error = visible(&error.to_string());
        *self.errors.entry(error).or_default() += 1;
    }
}

/// A tally that all connections share.
#[derive(Clone, Debug)]
pub(super) struct SharedTally(Arc<Mutex<Tally>>);

impl SharedTally {
    pub(super) fn new(tally: Tally) -> Self {
        Self(Arc::new(Mutex::new(tally)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates an empty histogram of nanoseconds, with three significant digits.
pub(super) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are constant and in order")
}

/// Records a duration. Longer ones count as [`LONGEST`].
pub(super) fn record(histogram: &mut Histogram<u64>, duration: Duration) {
    histogram.saturating_record(u64::try_from(duration.as_nanos()).unwrap_or(LONGEST));
}

/// The longest distinguishable latency: ten minutes, in nanoseconds.
const LONGEST: u64 = 600_000_000_000;
