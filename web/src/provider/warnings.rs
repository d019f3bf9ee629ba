//! What the log is told of sessions that cannot be read.

use std::sync::Arc;

use tracing::warn;

use crate::session::SessionError;
use crate::throttle::Throttle;

/// How much of an id is told: enough to find it, and too little to use it.
const SHOWN: usize = 4;

/// The shortest id of which something is told.
const MIN_SHOWN: usize = 20;

/// Tells the log of sessions that cannot be read, once a second at most.
#[derive(Debug)]
pub(super) struct Warnings {
    place: Arc<str>,
    throttle: Throttle,
}

impl Warnings {
    /// Those of sessions at this place.
    pub(super) fn of(place: &str) -> Self {
        Self {
            place: place.into(),
            throttle: Throttle::default(),
        }
    }

    /// Notes that a session cannot be read, by its id.
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
