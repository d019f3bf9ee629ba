//! How often the log is told of what comes in crowds.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the log is told at most.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells the log of something once a second at most.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// When something was told last.
    last: Option<Instant>,
    /// How often nothing was since then.
    untold: u64,
}

impl Throttle {
    /// Notes that it has happened: for how many times the log is told now, and `None` where it was told a moment ago.
    pub(crate) fn times(&self) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if told.last.is_some_and(|last| now < last + PAUSE) {
            told.untold += 1;
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.untold) + 1)
    }
}
