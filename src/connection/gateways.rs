//! The gateways that a budget or a registry covers.

use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use super::shutdown::{Registered, Shutdown};

/// The gateways that a budget or a registry covers.
#[derive(Debug, Default)]
pub(super) struct Gateways {
    list: Mutex<Vec<Weak<Mutex<Registered>>>>,
}

impl Gateways {
    /// Adds a gateway.
    pub(super) fn add(&self, connections: &Shutdown) {
        let mut list = self.lock();
        // Dropped gateways are removed whenever the list would have to grow.
        if list.len() == list.capacity() {
            list.retain(|gateway| gateway.strong_count() > 0);
        }
        list.push(connections.downgrade());
    }

    /// Locks the list. No gateway is added meanwhile.
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Weak<Mutex<Registered>>>> {
        // No operation leaves the list incomplete, so a panic cannot corrupt it.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
