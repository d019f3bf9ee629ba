//! What the log is told of sessions that cannot be read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::session::SessionError;

/// How often the log is told at most.
const PAUSE: Duration = Duration::from_secs(1);

/// How much of an id is told: enough to find it, and too little to use it.
const SHOWN: usize = 4;

/// The shortest id of which something is told.
const MIN_SHOWN: usize = 20;

/// Tells the log of sessions that cannot be read, once a second at most.
#[derive(Debug)]
pub(super) struct Warnings {
    place: Arc<str>,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// When something was told last.
    last: Option<Instant>,
    /// How often nothing was since then.
    untold: u64,
}

impl Warnings {
    /// Those of sessions at this place.
    pub(super) fn of(place: &str) -> Self {
        Self {
            place: place.into(),
            told: Mutex::default(),
        }
    }

    /// Notes that a session cannot be read, by its id.
    pub(super) fn note(&self, id: Option<&str>, error: &SessionError) {
        if let SessionError::Refused(_) = error {
            return;
        }
        let Some(times) = self.times() else { return };
        let shown = id.filter(|id| id.len() >= MIN_SHOWN);
        let shown = shown.and_then(|id| id.get(..SHOWN));
        let session = shown.map(|shown| format!("{shown}…"));
        warn!(store = &*self.place, session, %error, times, "a session cannot be read");
    }

    /// For how many times the log is told now; `None` where it was told a moment ago.
    fn times(&self) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if told.last.is_some_and(|last| now < last + PAUSE) {
            told.untold += 1;
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.untold) + 1)
    }
}
