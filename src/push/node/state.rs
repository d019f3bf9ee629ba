//! How a node is.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::tally::Tally;

/// How a node is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeState {
    /// Whether it is connected to its broker.
    pub is_connected: bool,
    /// Why it is not, if that is known.
    pub problem: Option<String>,
    /// How many other nodes it has heard lately.
    pub others: usize,
    /// What it has done.
    pub tally: Tally,
}

/// Tells how a node is, to those who do not end it.
#[derive(Clone, Default)]
pub struct NodeWatch(Arc<Mutex<NodeState>>);

impl NodeWatch {
    /// How it is now.
    pub fn state(&self) -> NodeState {
        self.lock().clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, NodeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for NodeWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeWatch").field(&self.state()).finish()
    }
}
