//! Close requests for the connections of a gateway.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use polysock_protocols::CloseCode;
use tokio::time::{Instant, sleep_until};

use super::row::Row;
use super::signal::Signal;

/// The window in which connections are asked to close together, without a timer in between.
const PACE: Duration = Duration::from_millis(20);

/// The registered connections of a gateway, which can be asked to close. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    shared: Arc<Mutex<Registered>>,
}

#[derive(Debug, Default)]
pub(super) struct Registered {
    pub(super) signals: Vec<Weak<Signal>>,
    /// The number of times that dropped connections were removed.
    sweeps: u64,
    triggered: Option<CloseCode>,
}

impl Registered {
    fn push(&mut self, signal: Weak<Signal>) {
        // Dropped connections are removed whenever the list would have to grow.
        if self.signals.len() == self.signals.capacity() {
            self.signals.retain(|signal| signal.strong_count() > 0);
            self.sweeps += 1;
        }
        self.signals.push(signal);
    }
}

/// Calls `act` for each element when its turn has come. `turn` returns the delay since the start.
///
/// # Cancel safety
///
/// Not cancel safe: the remaining elements are dropped without a call.
pub(super) async fn paced<T>(all: Vec<T>, turn: impl Fn(u32) -> Duration, mut act: impl FnMut(T)) {
    let began = Instant::now();
    for (number, each) in (0..).zip(all) {
        let turn = turn(number);
        // An element due within the window is handled now: a timer each would cost as much as the
        // close.
        if turn > began.elapsed() + PACE {
            sleep_until(began + turn).await;
        }
        act(each);
    }
}

/// Collects the registered connections, `slice` at a time under the lock. A new connection need not
/// wait until all are collected.
pub(super) fn gather(registered: &Mutex<Registered>, slice: usize) -> Vec<Arc<Signal>> {
    let mut gathered = Vec::new();
    let (mut next, mut sweeps) = (0, 0);
    loop {
        let registered = registered.lock().unwrap_or_else(PoisonError::into_inner);
        if registered.sweeps != sweeps {
            // The elements have moved.
            sweeps = registered.sweeps;
            next = 0;
            gathered.clear();
        }
        let left = registered.signals.get(next..).unwrap_or_default();
        if left.is_empty() {
            return gathered;
        }
        let slice = left.get(..slice).unwrap_or(left);
        next += slice.len();
        gathered.extend(slice.iter().filter_map(Weak::upgrade));
    }
}

impl Shutdown {
    /// Asks every connection, present or future, to close with this code.
    pub(crate) fn trigger(&self, code: CloseCode) {
        let signals = {
            let mut registered = self.lock();
            registered.triggered = Some(code);
            registered.signals.clone()
        };
        for signal in signals.iter().filter_map(Weak::upgrade) {
            signal.request(code);
        }
    }

    /// Asks every connection to close with this code. Present connections are asked one after the
    /// other, spread over the time `over`, and future ones immediately.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: connections that were not asked yet will not be.
    pub(crate) async fn drain(&self, code: CloseCode, over: Duration) {
        let signals = {
            let mut registered = self.lock();
            registered.triggered = Some(code);
            registered.signals.clone()
        };
        let count = f64::from(u32::try_from(signals.len()).unwrap_or(u32::MAX));
        let turn = |number| over.mul_f64(f64::from(number) / count);
        paced(signals, turn, |signal| {
            if let Some(signal) = signal.upgrade() {
                signal.request(code);
            }
        })
        .await;
    }

    /// Registers a new connection, and returns its signal.
    pub(crate) fn register(&self) -> ShutdownSignal {
        let signal = ShutdownSignal::default();
        self.add(&signal);
        signal
    }

    /// Registers a connection of another list here as well.
    pub(crate) fn add(&self, signal: &ShutdownSignal) {
        let mut registered = self.lock();
        match registered.triggered {
            Some(code) => signal.signal.request(code),
            None => {
                registered.push(Arc::downgrade(&signal.signal));
            }
        }
    }

    /// Returns a weak reference to the registered connections, for a budget or a registry.
    pub(super) fn downgrade(&self) -> Weak<Mutex<Registered>> {
        Arc::downgrade(&self.shared)
    }

    fn lock(&self) -> MutexGuard<'_, Registered> {
        // No operation leaves the list incomplete, so a panic cannot corrupt it.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The signal that asks one connection to close, usually because its gateway shuts down. The
/// connection closes by itself. An application awaits the signal if it does other work as well, or
/// must then hurry. Clones share the signal.
#[derive(Clone, Debug, Default)]
pub struct ShutdownSignal {
    signal: Arc<Signal>,
}

impl ShutdownSignal {
    pub(super) fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Asks the connection to close with this code.
    pub(crate) fn request(&self, code: CloseCode) {
        self.signal.request(code);
    }

    /// Returns the requested close code; `None` while no close is requested.
    #[inline]
    pub fn close_requested(&self) -> Option<CloseCode> {
        self.signal.close_requested()
    }

    /// Publishes the row of the connection.
    pub(super) fn describe(&self, row: Row) {
        self.signal.describe(row);
    }

    /// Returns the row of the connection; `None` until its handshake is accepted.
    #[inline]
    pub(super) fn row(&self) -> Option<&Row> {
        self.signal.row()
    }

    /// Records that the opening handshake is answered.
    pub(crate) fn note_answered(&self) {
        self.signal.note_answered();
    }

    /// Records that the opening handshake was not answered in time.
    pub(crate) fn note_late(&self) {
        self.signal.note_late();
    }

    /// True if the opening handshake is answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.signal.is_answered()
    }

    /// True if the opening handshake was not answered in time.
    pub(crate) fn is_late(&self) -> bool {
        self.signal.is_late()
    }

    /// Records a change of the memory that a connection of this signal holds.
    pub(super) fn change_held(&self, before: u32, now: u32) {
        self.signal.change_held(before, now);
    }

    /// Waits until the connection is asked to close, and returns the code.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, and any number of tasks may wait.
    pub fn requested(&self) -> impl Future<Output = CloseCode> + Send {
        Requested {
            signal: self.clone(),
            key: None,
        }
    }

    /// The same as [`requested`](Self::requested), for the task that owns the connection or its
    /// handshake. It allocates nothing.
    pub(crate) fn requested_of_owner(&self) -> impl Future<Output = CloseCode> {
        poll_fn(|cx| self.poll_requested(cx))
    }

    /// The same for an owner that polls. Only the last task that polled is woken.
    pub(super) fn poll_requested(&self, cx: &mut Context<'_>) -> Poll<CloseCode> {
        self.signal.register_owner(cx.waker());
        // Checked after the registration, so that no request is missed in between.
        self.close_requested().map_or(Poll::Pending, Poll::Ready)
    }
}

/// The future of [`ShutdownSignal::requested`].
struct Requested {
    signal: ShutdownSignal,
    /// The key of the task in the list of those that wait; `None` before the first poll.
    key: Option<usize>,
}

impl Future for Requested {
    type Output = CloseCode;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CloseCode> {
        let Self { signal, key } = self.get_mut();
        signal.signal.register(key, cx.waker());
        // Checked after the registration, so that no request is missed in between.
        signal.close_requested().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Requested {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.signal.signal.forget(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    #[test]
    fn a_shutdown_reaches_earlier_and_later_connections() {
        let shutdown = Shutdown::default();
        let before = shutdown.register();
        assert_eq!(before.close_requested(), None);
        shutdown.trigger(CloseCode::GOING_AWAY);
        let after = shutdown.register();
        assert_eq!(before.close_requested(), Some(CloseCode::GOING_AWAY));
        assert_eq!(after.close_requested(), Some(CloseCode::GOING_AWAY));
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_is_spread_over_its_time() {
        let shutdown = Shutdown::default();
        let signals: Vec<_> = (0..1000).map(|_| ShutdownSignal::default()).collect();
        for signal in &signals {
            shutdown.add(signal);
        }
        let asked = || {
            let is_asked = |signal: &&ShutdownSignal| signal.close_requested().is_some();
            signals.iter().filter(is_asked).count()
        };
        let drain = shutdown.drain(CloseCode::GOING_AWAY, Duration::from_secs(10));
        tokio::pin!(drain);
        for second in 0..10 {
            let due = 100 * second;
            assert!((due..due + 10).contains(&asked()), "{second}: {}", asked());
            let second = tokio::time::timeout(Duration::from_secs(1), &mut drain);
            assert!(second.await.is_err() || asked() == 1000);
        }
        assert!(shutdown.register().close_requested().is_some());
    }

    #[tokio::test]
    async fn a_shutdown_wakes_all_waiting_tasks() {
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

    #[tokio::test]
    async fn dropped_waiters_are_removed() {
        let signal = ShutdownSignal::default();
        for _ in 0..10 {
            assert!(signal.requested().now_or_never().is_none());
        }
        assert!(signal.signal.has_nothing_rare());
    }

    #[test]
    fn closed_connections_are_removed() {
        let shutdown = Shutdown::default();
        for _ in 0..10_000 {
            drop(shutdown.register());
        }
        assert!(shutdown.lock().signals.len() < 100);
    }
}
