//! Warnings about sessions that cannot be read.

use std::sync::Arc;

use tracing::warn;

use crate::session::SessionError;
use crate::throttle::Throttle;

/// The number of characters of an id that are logged: enough to find it, and too few to use it.
const SHOWN: usize = 4;

/// The length of the shortest id that is logged in part.
const MIN_SHOWN: usize = 20;

/// Logs sessions that cannot be read, at most once a second.
#[derive(Debug)]
pub(super) struct Warnings {
    place: Arc<str>,
    throttle: Throttle,
}

impl Warnings {
    /// Creates the warnings for sessions at this place.
    pub(super) fn of(place: &str) -> Self {
        Self {
            place: place.into(),
            throttle: Throttle::default(),
        }
    }

    /// Records that a session cannot be read, by its id.
    pub(super) fn note(&self, id: Option<&str>, error: &SessionError) {
        if let SessionError::Refused(_) = error {
            return;
        }
        let Some(times) = self.throttle.times() else {
            return;
        };
        let shown = id.filter(|id| id.len() >= MIN_SHOWN);
        let shown = shown.and_then(|id| id.get(..SHOWN));
        let session = shown.map(|shown| format!("{shown}…"));
        warn!(store = &*self.place, session, %error, times, "a session cannot be read");
    }
}
