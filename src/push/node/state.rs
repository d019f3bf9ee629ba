//! The state of a node, and a handle that reads it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::tally::Tally;

/// The state of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeState {
    /// Whether the node is connected to its broker.
    pub is_connected: bool,
    /// The reason why the node is not connected. `None` if it is connected, or the reason is
    /// unknown.
    pub problem: Option<String>,
    /// The number of other nodes heard recently.
    pub others: usize,
    /// The counters of the node.
    pub tally: Tally,
}

/// A handle that reads the state of a node but cannot end it.
#[derive(Clone, Default)]
pub struct NodeWatch(Arc<Mutex<NodeState>>);

impl NodeWatch {
    /// Returns the current state of the node.
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
