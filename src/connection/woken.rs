//! Whether a task is known already to whoever wakes it.

use std::task::Waker;

/// Which task was registered last with a signal or a timer that keeps its waker: while it does, no other
/// task has the same address. So it is seen without a lock that nothing is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Woken(usize);

impl Woken {
    /// The task of this waker. What is not told apart by its data is by its functions.
    pub(super) fn of(waker: &Waker) -> Self {
        let functions = std::ptr::from_ref(waker.vtable()).addr();
        Self(waker.data().addr() ^ functions.rotate_left(32))
    }
}
