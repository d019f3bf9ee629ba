//! What is asked of one connection, and what is known of it.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

use polysock_protocols::CloseCode;
use slab::Slab;

use super::row::Row;
use super::tap::Tapping;

/// An opening handshake was answered, or begins to be.
const ANSWERED: u8 = 1;

/// It was not answered in time.
const LATE: u8 = 2;

/// What is asked of one connection, and what is known of it.
#[derive(Debug, Default)]
pub(super) struct Signal {
    /// The close code, or zero while there is no request.
    code: AtomicU16,
    /// What has become of its opening handshake: one of the constants above.
    handshake: AtomicU8,
    /// How often a tap of it has begun and ended.
    tap_changes: AtomicU8,
    /// How much memory the connection holds, in units of its budget.
    held: AtomicU32,
    waiting: Mutex<Waiting>,
    /// What others may know of it, once its handshake is accepted.
    row: OnceLock<Row>,
}

/// Who is woken by a request. Every connection has one, so it is small.
#[derive(Debug, Default)]
struct Waiting {
    /// The task that owns the connection.
    owner: Option<Waker>,
    /// What few connections have.
    rare: Option<Box<Rare>>,
}

/// What few connections have.
#[derive(Debug, Default)]
struct Rare {
    /// Who else is woken by a request.
    others: Slab<Waker>,
    /// Who taps it.
    tapping: Option<Arc<Tapping>>,
}

impl Signal {
    pub(super) fn held(&self) -> u32 {
        self.held.load(Ordering::Relaxed)
    }

    /// What others may know of it, once its handshake is accepted.
    #[inline]
    pub(super) fn row(&self) -> Option<&Row> {
        self.row.get()
    }

    /// The code that the connection is asked to close with, if it is.
    #[inline]
    pub(super) fn close_requested(&self) -> Option<CloseCode> {
        match self.code.load(Ordering::Acquire) {
            0 => None,
            code => CloseCode::new(code),
        }
    }

    /// What others may know of it, while it is open.
    pub(super) fn open_row(&self) -> Option<&Row> {
        self.row().filter(|row| row.waits_since().is_some())
    }

    /// Whether the connection is to go because memory is short.
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

    /// Registers the task that owns the connection, instead of the one before.
    pub(super) fn register_owner(&self, waker: &Waker) {
        let mut waiting = self.lock();
        let same = |other: &Waker| other.will_wake(waker);
        if !waiting.owner.as_ref().is_some_and(same) {
            waiting.owner = Some(waker.clone());
        }
    }

    /// Registers somebody else, whose place is kept in `key`.
    pub(super) fn register(&self, key: &mut Option<usize>, waker: &Waker) {
        let mut waiting = self.lock();
        let others = &mut waiting.rare.get_or_insert_default().others;
        match key.and_then(|key| others.get_mut(key)) {
            Some(place) => place.clone_from(waker),
            None => *key = Some(others.insert(waker.clone())),
        }
    }

    /// Forgets who is registered at this place.
    pub(super) fn forget(&self, key: usize) {
        let mut waiting = self.lock();
        if let Some(rare) = &mut waiting.rare {
            rare.others.try_remove(key);
            waiting.tidy();
        }
    }

    /// Notes that its opening handshake is answered.
    pub(super) fn note_answered(&self) {
        self.handshake.store(ANSWERED, Ordering::Relaxed);
    }

    /// Notes that its opening handshake was not answered in time.
    pub(super) fn note_late(&self) {
        self.handshake.store(LATE, Ordering::Relaxed);
    }

    /// Whether its opening handshake is answered.
    pub(super) fn is_answered(&self) -> bool {
        self.handshake.load(Ordering::Relaxed) == ANSWERED
    }

    /// Whether it was not answered in time.
    pub(super) fn is_late(&self) -> bool {
        self.handshake.load(Ordering::Relaxed) == LATE
    }

    /// Notes that the connection holds more than before, or less.
    pub(super) fn change_held(&self, before: u32, now: u32) {
        self.held
            .fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Notes what others may know of it.
    pub(super) fn describe(&self, row: Row) {
        // A connection has one handshake.
        let _ = self.row.set(row);
    }

    /// Has somebody tap it, unless somebody does.
    pub(super) fn tap(&self, tapping: &Arc<Tapping>) {
        let mut waiting = self.lock();
        let place = &mut waiting.rare.get_or_insert_default().tapping;
        if place.is_none() {
            *place = Some(Arc::clone(tapping));
            self.change_tap(waiting);
        }
    }

    /// Has it be tapped no more, where this is who does.
    pub(super) fn untap(&self, tapping: &Arc<Tapping>) {
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

    /// Has the connection look what has changed. It stays registered with those who wait.
    fn change_tap(&self, waiting: MutexGuard<'_, Waiting>) {
        self.tap_changes.fetch_add(1, Ordering::Release);
        let owner = waiting.owner.clone();
        drop(waiting);
        owner.into_iter().for_each(Waker::wake);
    }

    /// How often a tap of it has begun and ended, from zero again after 255.
    #[inline]
    pub(super) fn tap_changes(&self) -> u8 {
        self.tap_changes.load(Ordering::Acquire)
    }

    /// Who taps it.
    pub(super) fn tapping(&self) -> Option<Arc<Tapping>> {
        self.lock().rare.as_ref()?.tapping.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing between a lock and its end can panic but the allocator.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Gives back what is needed no more.
    fn tidy(&mut self) {
        let is_empty = |rare: &mut Box<Rare>| rare.others.is_empty() && rare.tapping.is_none();
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
    fn it_is_small() {
        // With what an Arc adds, what an allocator has of 160 bytes.
        assert!(size_of::<Signal>() <= 144, "{}", size_of::<Signal>());
    }
}
