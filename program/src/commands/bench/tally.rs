//! What the connections of a run have measured.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::log::visible;

/// What all connections together have measured.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// The time from a message to its answer, in nanoseconds.
    pub(super) latency: Histogram<u64>,
    /// What connections failed of, and how many did.
    pub(super) errors: BTreeMap<String, u64>,
    /// Connections that have had no answer yet.
    pub(super) silent: u64,
}

impl Tally {
    /// Of this many connections that have had no answer yet.
    pub(super) fn new(silent: u64) -> Self {
        Self {
            latency: latencies(),
            errors: BTreeMap::new(),
            silent,
        }
    }

    /// The messages that were answered.
    pub(super) fn answers(&self) -> u64 {
        self.latency.len()
    }

    pub(super) fn count(&mut self, error: &impl ToString) {
        // A server's reason may be in it.
        let error = visible(&error.to_string());
        *self.errors.entry(error).or_default() += 1;
    }
}

/// A tally that the connections of the thread share.
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

/// An empty histogram of nanoseconds, to three digits.
pub(super) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are constant and in order")
}

/// Records a duration; one over [`LONGEST`] counts as that.
pub(super) fn record(histogram: &mut Histogram<u64>, duration: Duration) {
    histogram.saturating_record(u64::try_from(duration.as_nanos()).unwrap_or(LONGEST));
}

/// The longest latency that is told from longer ones: ten minutes.
const LONGEST: u64 = 600_000_000_000;
