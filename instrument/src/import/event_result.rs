//! The result of an event.

use crate::transcript::{Action, Step};

/// The actions and observations around an event.
#[derive(Debug)]
pub(super) struct EventResult {
    /// Actions of the application before the event.
    pub(super) actions: Vec<Action>,
    /// Observations of the application after the event.
    pub(super) seen: Vec<Step>,
    /// The number of bytes that the recorded server had sent by then.
    pub(super) recorded: usize,
    /// The number of bytes that Polysock had sent by then.
    pub(super) said: usize,
}
