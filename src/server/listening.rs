//! A listener at work: accepts connections until it is told to stop.

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

/// How long clients that have just come may take to say what they want, where the port outlives this
/// process: nobody is to notice that it ends.
const SETTLING: Duration = Duration::from_secs(1);

/// A listener of one thread, and the connections that have come in by it.
#[derive(Debug)]
pub(super) struct Listening {
    /// Who serves what comes next.
    port: RwLock<Arc<Port>>,
    connections: Arc<Connections>,
    /// Whether it has been taken away: it accepts no more, and what is there stays.
    removed: CancellationToken,
    /// Whether another process goes on with the socket.
    is_shared: AtomicBool,
    /// The time over which its connections are asked to close at the end.
    spread: OnceLock<Duration>,
}

impl Listening {
    /// Nothing has come in yet.
    pub(super) fn new(port: Arc<Port>) -> Self {
        Self {
            connections: port.connections(),
            port: RwLock::new(port),
            removed: CancellationToken::new(),
            is_shared: AtomicBool::new(false),
            spread: OnceLock::new(),
        }
    }

    /// Whether another process goes on with its socket.
    pub(super) fn share(&self, is_shared: bool) {
        self.is_shared.store(is_shared, Ordering::Relaxed);
    }

    /// Has new connections served by another.
    pub(super) fn replace(&self, port: Arc<Port>) {
        *self.port.write().unwrap_or_else(PoisonError::into_inner) = port;
    }

    /// Has it accept no more.
    pub(super) fn remove(&self) {
        self.removed.cancel();
    }

    /// Has its connections asked to close one after the other over this time, when it is told to stop.
    pub(super) fn spread(&self, over: Duration) {
        // Whoever was first has said it.
        let _ = self.spread.set(over);
    }

    /// Asks its connections to close.
    pub(super) fn close(&self) {
        self.connections.close();
    }

    /// Accepts connections until `shutdown` is ready, or it is removed; then drains them, or waits for
    /// them.
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
                // The one that it took the place of leaves now, and not after a hundred more.
                yield_now().await;
            }
        }
        // The kernel has told them that they are connected.
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

    /// Serves a connection in a task of its own; whether another had to go for it.
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
