//! The gateways whose connections somebody looks after.

use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use super::shutdown::{Registered, Shutdown};

/// The gateways whose connections somebody looks after.
#[derive(Debug, Default)]
pub(super) struct Gateways {
    list: Mutex<Vec<Weak<Mutex<Registered>>>>,
}

impl Gateways {
    /// One more.
    pub(super) fn add(&self, connections: &Shutdown) {
        let mut list = self.lock();
        // The dead are swept out whenever the list would have to grow.
        if list.len() == list.capacity() {
            list.retain(|gateway| gateway.strong_count() > 0);
        }
        list.push(connections.downgrade());
    }

    /// All of them; no other is added meanwhile.
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Weak<Mutex<Registered>>>> {
        // The list is whole between any two of its operations, so a panic cannot break it.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
