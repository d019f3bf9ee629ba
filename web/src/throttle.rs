//! A limit on the rate of log messages.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two log messages.
const PAUSE: Duration = Duration::from_secs(1);

/// Limits log messages of one kind to one a second.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<LogState>);

#[derive(Debug, Default)]
struct LogState {
    /// The time of the last log message.
    last: Option<Instant>,
    /// The number of occurrences since then that were not logged.
    unreported: u64,
}

impl Throttle {
    /// Counts an occurrence. Returns the number of occurrences that are to be logged now, or `None`
    /// if the last log message is less than a second old.
    pub(crate) fn times(&self) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if told.last.is_some_and(|last| now < last + PAUSE) {
            told.unreported += 1;
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.unreported) + 1)
    }
}
