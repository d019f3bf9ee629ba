//! A running listener: accepts connections until it is stopped.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::drain::{Connections, Drained};
use super::listener::{Incoming, Listener};
use super::port::Port;
use super::task::Task;

/// The time that new clients have to send their first request if another process continues with the
/// port: clients must not notice that this process ends.
const SETTLING: Duration = Duration::from_secs(1);

/// A listener of one thread, and the connections that it has accepted.
#[derive(Debug)]
pub(super) struct Listening {
    /// The port that serves new connections.
    port: RwLock<Arc<Port>>,
    connections: Arc<Connections>,
    /// Cancelled when the listener is removed: it accepts no more, and open connections stay.
    removed: CancellationToken,
    /// True if another process continues with the socket.
    is_shared: AtomicBool,
    /// The time over which connections are asked to close when the listener is stopped.
    spread: OnceLock<Duration>,
}

impl Listening {
    /// Creates a listener without connections.
    pub(super) fn new(port: Arc<Port>) -> Self {
        Self {
            connections: port.connections(),
            port: RwLock::new(port),
            removed: CancellationToken::new(),
            is_shared: AtomicBool::new(false),
            spread: OnceLock::new(),
        }
    }

    /// Sets whether another process continues with the socket.
    pub(super) fn share(&self, is_shared: bool) {
        self.is_shared.store(is_shared, Ordering::Relaxed);
    }

    /// Replaces the port that serves new connections.
    pub(super) fn replace(&self, port: Arc<Port>) {
        *self.port.write().unwrap_or_else(PoisonError::into_inner) = port;
    }

    /// Stops accepting connections.
    pub(super) fn remove(&self) {
        self.removed.cancel();
    }

    /// Sets the time over which connections are asked to close when the listener is stopped.
    pub(super) fn spread(&self, over: Duration) {
        // Only the first call counts.
        let _ = self.spread.set(over);
    }

    /// Asks the connections to close.
    pub(super) fn close(&self) {
        self.connections.close();
    }

    /// Accepts connections until `shutdown` is ready or the listener is removed. Then drains the
    /// connections (after `shutdown`) or waits for their end (after removal).
    pub(super) async fn serve(
        &self,
        listener: Listener,
        shutdown: impl Future<Output = ()>,
        deadline: Duration,
    ) -> Drained {
        let local = listener.local();
        tokio::pin!(shutdown);
        loop {
            let port = self.port();
            let incoming = tokio::select! {
                incoming = listener.accept(&port.serving.incidents) => incoming,
                () = self.removed.cancelled() => break,
                () = &mut shutdown => {
                    drop(listener);
                    let end = Instant::now() + deadline;
                    if self.is_shared.load(Ordering::Relaxed) {
                        let settled = port.serving.admission.settled();
                        let _ = timeout(SETTLING.min(deadline), settled).await;
                    }
                    let left = end.saturating_duration_since(Instant::now());
                    return self.drain(left).await;
                }
            };
            if self.take(incoming, local) {
                // The displaced connection leaves now, and not after a hundred more.
                yield_now().await;
            }
        }
        // For these clients the kernel has already completed the connection.
        while let Some(incoming) = listener.accept_now() {
            self.take(incoming, local);
        }
        drop(listener);
        tokio::select! {
            () = self.connections.ended() => Drained { cut: 0 },
            () = shutdown => self.drain(deadline).await,
        }
    }

    async fn drain(&self, deadline: Duration) -> Drained {
        let over = self.spread.get().copied().unwrap_or_default();
        self.connections.drain(deadline, over).await
    }

    /// Serves a connection in a task of its own. Returns true if an older one was displaced.
    fn take(&self, incoming: Incoming, local: Option<SocketAddr>) -> bool {
        let port = self.port();
        let connections = &self.connections;
        let Some(arrival) = port.accepted(incoming, local, connections) else {
            return false;
        };
        let has_displaced = arrival.turn.has_displaced;
        let opening = Arc::clone(&port.serving).open(arrival, Arc::clone(connections));
        connections.spawn(Task::new(opening));
        has_displaced
    }

    fn port(&self) -> Arc<Port> {
        Arc::clone(&self.port.read().unwrap_or_else(PoisonError::into_inner))
    }
}
