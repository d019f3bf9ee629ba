//! The result of an event.

use crate::transcript::{Action, Step};

/// The actions and observations around an event.
#[derive(Debug)]
pub(super) struct EventResult {
    /// Actions of the application before it.
    pub(super) actions: Vec<Action>,
    /// Observations of the application after it.
    pub(super) seen: Vec<Step>,
    /// The number of bytes that the recorded server had said by then.
    pub(super) recorded: usize,
    /// And how many by Polysock.
    pub(super) said: usize,
}
