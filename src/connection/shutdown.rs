//! How the connections of a gateway are told to go.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Poll, Waker};

use futures_util::task::AtomicWaker;
use polysock_protocols::CloseCode;

/// Tells the connections that were registered with it to close. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    shared: Arc<Mutex<Registered>>,
}

#[derive(Debug, Default)]
struct Registered {
    closers: Vec<Weak<Closer>>,
    triggered: Option<CloseCode>,
}

impl Shutdown {
    /// Asks every connection, those to come included, to close with this code.
    pub(crate) fn trigger(&self, code: CloseCode) {
        let closers = {
            let mut registered = self.lock();
            registered.triggered = Some(code);
            std::mem::take(&mut registered.closers)
        };
        for closer in closers.iter().filter_map(Weak::upgrade) {
            closer.request(code);
        }
    }

    /// A closer for a new connection.
    pub(crate) fn register(&self) -> Arc<Closer> {
        let closer = Arc::new(Closer::default());
        let mut registered = self.lock();
        match registered.triggered {
            Some(code) => closer.request(code),
            None => {
                // The dead are swept out whenever the list would have to grow.
                if registered.closers.len() == registered.closers.capacity() {
                    registered
                        .closers
                        .retain(|closer| closer.strong_count() > 0);
                }
                registered.closers.push(Arc::downgrade(&closer));
            }
        }
        closer
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registered> {
        // The list is whole between any two of its operations, so a panic cannot break it.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks one connection to close, from anywhere.
#[derive(Debug, Default)]
pub(crate) struct Closer {
    /// The close code, or zero while there is no request.
    code: AtomicU16,
    waker: AtomicWaker,
}

impl Closer {
    pub(crate) fn request(&self, code: CloseCode) {
        self.code.store(code.get(), Ordering::Release);
        self.waker.wake();
    }

    /// The code that is asked for.
    #[inline]
    pub(crate) fn requested(&self) -> Option<CloseCode> {
        CloseCode::new(self.code.load(Ordering::Acquire))
    }

    /// Waits for a request.
    pub(crate) async fn asked(&self) {
        poll_fn(|cx| {
            self.register(cx.waker());
            match self.requested() {
                Some(_) => Poll::Ready(()),
                None => Poll::Pending,
            }
        })
        .await;
    }

    /// Whom to wake on a request.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches_those_before_and_those_after() {
        let shutdown = Shutdown::default();
        let before = shutdown.register();
        assert_eq!(before.requested(), None);
        shutdown.trigger(CloseCode::GOING_AWAY);
        let after = shutdown.register();
        assert_eq!(before.requested(), Some(CloseCode::GOING_AWAY));
        assert_eq!(after.requested(), Some(CloseCode::GOING_AWAY));
    }

    #[test]
    fn forgets_connections_that_are_gone() {
        let shutdown = Shutdown::default();
        for _ in 0..10_000 {
            drop(shutdown.register());
        }
        assert!(shutdown.lock().closers.len() < 100);
    }
}
