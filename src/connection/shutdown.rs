//! How the connections of a gateway are told to go.

use std::pin::pin;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use polysock_protocols::CloseCode;
use tokio::sync::Notify;

/// Tells the connections that were registered with it to close. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    shared: Arc<Mutex<Registered>>,
}

#[derive(Debug, Default)]
struct Registered {
    signals: Vec<Weak<Signal>>,
    triggered: Option<CloseCode>,
}

impl Shutdown {
    /// Asks every connection, those to come included, to close with this code.
    pub(crate) fn trigger(&self, code: CloseCode) {
        let signals = {
            let mut registered = self.lock();
            registered.triggered = Some(code);
            std::mem::take(&mut registered.signals)
        };
        for signal in signals.iter().filter_map(Weak::upgrade) {
            signal.request(code);
        }
    }

    /// The signal of a new connection.
    pub(crate) fn register(&self) -> ShutdownSignal {
        let signal = ShutdownSignal::default();
        let mut registered = self.lock();
        match registered.triggered {
            Some(code) => signal.signal.request(code),
            None => {
                // The dead are swept out whenever the list would have to grow.
                if registered.signals.len() == registered.signals.capacity() {
                    registered
                        .signals
                        .retain(|signal| signal.strong_count() > 0);
                }
                registered.signals.push(Arc::downgrade(&signal.signal));
            }
        }
        signal
    }

    fn lock(&self) -> MutexGuard<'_, Registered> {
        // The list is whole between any two of its operations, so a panic cannot break it.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that one connection is to close, because its gateway shuts down. The connection heeds it by
/// itself; an application listens to it that does something else beside, or must hurry then.
/// Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct ShutdownSignal {
    signal: Arc<Signal>,
}

#[derive(Debug, Default)]
struct Signal {
    /// The close code, or zero while there is no request.
    code: AtomicU16,
    /// The task of the connection.
    connection: AtomicWaker,
    /// Everybody else who waits.
    others: Notify,
}

impl Signal {
    fn request(&self, code: CloseCode) {
        self.code.store(code.get(), Ordering::Release);
        self.connection.wake();
        self.others.notify_waiters();
    }
}

impl ShutdownSignal {
    /// The code that the connection is asked to close with, if it is.
    #[inline]
    pub fn close_requested(&self) -> Option<CloseCode> {
        match self.signal.code.load(Ordering::Acquire) {
            0 => None,
            code => CloseCode::new(code),
        }
    }

    /// Waits until the connection is asked to close: with this code.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, and any number of tasks may wait.
    pub async fn requested(&self) -> CloseCode {
        loop {
            let mut notified = pin!(self.signal.others.notified());
            // Before the look: a request between the two is not missed.
            notified.as_mut().enable();
            if let Some(code) = self.close_requested() {
                return code;
            }
            notified.await;
        }
    }

    /// As [`requested`](Self::requested), for the connection itself: of those who call this, the
    /// last is woken.
    pub(super) fn poll_requested(&self, cx: &mut Context<'_>) -> Poll<CloseCode> {
        self.signal.connection.register(cx.waker());
        self.close_requested().map_or(Poll::Pending, Poll::Ready)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[test]
    fn reaches_those_before_and_those_after() {
        let shutdown = Shutdown::default();
        let before = shutdown.register();
        assert_eq!(before.close_requested(), None);
        shutdown.trigger(CloseCode::GOING_AWAY);
        let after = shutdown.register();
        assert_eq!(before.close_requested(), Some(CloseCode::GOING_AWAY));
        assert_eq!(after.close_requested(), Some(CloseCode::GOING_AWAY));
    }

    #[tokio::test]
    async fn wakes_all_who_wait() {
        let shutdown = Shutdown::default();
        let signal = shutdown.register();
        let waiting = [0; 3].map(|_| {
            let signal = signal.clone();
            tokio::spawn(async move { signal.requested().await })
        });
        tokio::task::yield_now().await;
        shutdown.trigger(CloseCode::GOING_AWAY);
        for code in join_all(waiting).await {
            assert_eq!(code.unwrap(), CloseCode::GOING_AWAY);
        }
        assert_eq!(signal.requested().await, CloseCode::GOING_AWAY);
    }

    #[test]
    fn forgets_connections_that_are_gone() {
        let shutdown = Shutdown::default();
        for _ in 0..10_000 {
            drop(shutdown.register());
        }
        assert!(shutdown.lock().signals.len() < 100);
    }
}
