//! The requests to one connection, and its published state.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

use polysock_protocols::CloseCode;
use slab::Slab;

use super::row::Row;
use super::tap::TapLink;

/// The opening handshake was answered, or is being answered.
const ANSWERED: u8 = 1;

/// The opening handshake was not answered in time.
const LATE: u8 = 2;

/// The requests to one connection, and its published state.
#[derive(Debug, Default)]
pub(super) struct Signal {
    /// The close code, or zero while there is no request.
    code: AtomicU16,
    /// The state of the opening handshake: zero, or one of the constants above.
    handshake: AtomicU8,
    /// The number of times that a tap of the connection has begun or ended, modulo 256.
    tap_changes: AtomicU8,
    /// The memory that the connection holds, in units of its budget.
    held: AtomicU32,
    waiting: Mutex<Waiting>,
    /// The row of the connection; empty until its handshake is accepted.
    row: OnceLock<Row>,
}

/// The tasks that a request wakes. Small, as every connection has one.
#[derive(Debug, Default)]
struct Waiting {
    /// The task that owns the connection.
    owner: Option<Waker>,
    /// State that few connections have.
    rare: Option<Box<RareState>>,
}

/// State that few connections have.
#[derive(Debug, Default)]
struct RareState {
    /// The other tasks that a request wakes.
    others: Slab<Waker>,
    /// The tap of the connection.
    tapping: Option<Arc<TapLink>>,
}

impl Signal {
    pub(super) fn held(&self) -> u32 {
        self.held.load(Ordering::Relaxed)
    }

    /// Returns the row of the connection; `None` until its handshake is accepted.
    #[inline]
    pub(super) fn row(&self) -> Option<&Row> {
        self.row.get()
    }

    /// Returns the requested close code; `None` while no close is requested.
    #[inline]
    pub(super) fn close_requested(&self) -> Option<CloseCode> {
        match self.code.load(Ordering::Acquire) {
            0 => None,
            code => CloseCode::new(code),
        }
    }

    /// Returns the row of the connection while it is open.
    pub(super) fn open_row(&self) -> Option<&Row> {
        self.row().filter(|row| row.waits_since().is_some())
    }

    /// True if the connection is asked to close because memory is short.
    pub(super) fn is_shed(&self) -> bool {
        self.code.load(Ordering::Relaxed) == CloseCode::TRY_AGAIN_LATER.get()
    }

    pub(super) fn request(&self, code: CloseCode) {
        self.code.store(code.get(), Ordering::Release);
        let mut waiting = self.lock();
        let owner = waiting.owner.take();
        let rare = waiting.rare.as_mut();
        let others = rare.map(|rare| std::mem::take(&mut rare.others));
        drop(waiting);
        owner.into_iter().for_each(Waker::wake);
        for (_, waker) in others.into_iter().flatten() {
            waker.wake();
        }
    }

    /// Registers the task that owns the connection, in place of the previous one.
    pub(super) fn register_owner(&self, waker: &Waker) {
        let mut waiting = self.lock();
        let same = |other: &Waker| other.will_wake(waker);
        if !waiting.owner.as_ref().is_some_and(same) {
            waiting.owner = Some(waker.clone());
        }
    }

    /// Registers another task, whose key is kept in `key`.
    pub(super) fn register(&self, key: &mut Option<usize>, waker: &Waker) {
        let mut waiting = self.lock();
        let others = &mut waiting.rare.get_or_insert_default().others;
        match key.and_then(|key| others.get_mut(key)) {
            Some(place) => place.clone_from(waker),
            None => *key = Some(others.insert(waker.clone())),
        }
    }

    /// Removes the task registered under this key.
    pub(super) fn forget(&self, key: usize) {
        let mut waiting = self.lock();
        if let Some(rare) = &mut waiting.rare {
            rare.others.try_remove(key);
            waiting.tidy();
        }
    }

    /// Records that the opening handshake is answered.
    pub(super) fn note_answered(&self) {
        self.handshake.store(ANSWERED, Ordering::Relaxed);
    }

    /// Records that the opening handshake was not answered in time.
    pub(super) fn note_late(&self) {
        self.handshake.store(LATE, Ordering::Relaxed);
    }

    /// True if the opening handshake is answered.
    pub(super) fn is_answered(&self) -> bool {
        self.handshake.load(Ordering::Relaxed) == ANSWERED
    }

    /// True if the opening handshake was not answered in time.
    pub(super) fn is_late(&self) -> bool {
        self.handshake.load(Ordering::Relaxed) == LATE
    }

    /// Records a change of the memory that the connection holds.
    pub(super) fn change_held(&self, before: u32, now: u32) {
        self.held
            .fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Publishes the row of the connection.
    pub(super) fn describe(&self, row: Row) {
        // A connection has one handshake.
        let _ = self.row.set(row);
    }

    /// Begins a tap of the connection, unless it has one.
    pub(super) fn tap(&self, tapping: &Arc<TapLink>) {
        let mut waiting = self.lock();
        let place = &mut waiting.rare.get_or_insert_default().tapping;
        if place.is_none() {
            *place = Some(Arc::clone(tapping));
            self.change_tap(waiting);
        }
    }

    /// Ends this tap of the connection; any other tap stays.
    pub(super) fn untap(&self, tapping: &Arc<TapLink>) {
        let mut waiting = self.lock();
        let Some(rare) = &mut waiting.rare else {
            return;
        };
        if rare
            .tapping
            .as_ref()
            .is_some_and(|other| Arc::ptr_eq(other, tapping))
        {
            rare.tapping = None;
            waiting.tidy();
            self.change_tap(waiting);
        }
    }

    /// Wakes the connection to check for a change of its tap. Its task stays registered.
    fn change_tap(&self, waiting: MutexGuard<'_, Waiting>) {
        self.tap_changes.fetch_add(1, Ordering::Release);
        let owner = waiting.owner.clone();
        drop(waiting);
        owner.into_iter().for_each(Waker::wake);
    }

    /// Returns the number of times that a tap has begun or ended, modulo 256.
    #[inline]
    pub(super) fn tap_changes(&self) -> u8 {
        self.tap_changes.load(Ordering::Acquire)
    }

    /// Returns the tap of the connection.
    pub(super) fn tapping(&self) -> Option<Arc<TapLink>> {
        self.lock().rare.as_ref()?.tapping.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing can panic while the lock is held, except the allocator.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Frees the rare state if it is empty.
    fn tidy(&mut self) {
        let is_empty = |rare: &mut Box<RareState>| rare.others.is_empty() && rare.tapping.is_none();
        self.rare.take_if(is_empty);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Signal {
        pub(in super::super) fn has_nothing_rare(&self) -> bool {
            self.lock().rare.is_none()
        }
    }

    #[test]
    fn a_signal_is_small() {
        // With the counters of an `Arc`, this fits an allocation of 160 bytes.
        assert!(size_of::<Signal>() <= 144, "{}", size_of::<Signal>());
    }
}
