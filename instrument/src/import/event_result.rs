//! What belongs to an event.

use crate::transcript::{Action, Step};

/// What belongs to an event.
#[derive(Debug)]
pub(super) struct EventResult {
    /// What the application does before it.
    pub(super) actions: Vec<Action>,
    /// What it sees after it.
    pub(super) seen: Vec<Step>,
    /// How many bytes had been said by then by the server that was recorded.
    pub(super) recorded: usize,
    /// And how many by Polysock.
    pub(super) said: usize,
}
