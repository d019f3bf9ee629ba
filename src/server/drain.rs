//! The connections of a port, and their end.

use std::time::Duration;

use polysock_protocols::CloseCode;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use crate::connection::{Budget, Registry, Shutdown, ShutdownSignal};
use crate::transport::Permit;

/// The result of shutting down a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// The number of connections that were cut because they had not ended by the deadline.
    pub cut: usize,
}

/// The connections of a port, from their acceptance to their last byte.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// A task for each connection, until its application has finished.
    tasks: TaskTracker,
    /// A token for each transport: a transport that lingers has no task of its own.
    transports: TaskTracker,
    /// Asks the connections to close.
    shutdown: Shutdown,
}

impl Connections {
    /// Counts a transport. The permit also keeps `held` for as long as the transport exists.
    pub(super) fn count(&self, held: impl Send + Sync + 'static) -> Permit {
        Permit::new((self.transports.token(), held))
    }

    /// Allows a budget that is used up to close the connections that hold the most.
    pub(super) fn count_in(&self, budget: &Budget) {
        budget.govern(&self.shutdown);
    }

    /// Makes the open connections known to a registry.
    pub(super) fn watched_by(&self, registry: &Registry) {
        registry.watch(&self.shutdown);
    }

    /// Creates the signal that asks one more connection to close.
    pub(super) fn register(&self) -> ShutdownSignal {
        self.shutdown.register()
    }

    /// Serves a connection in a task of its own.
    pub(super) fn spawn(&self, serving: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(serving);
    }

    /// Waits until all connections have ended, and no transport lingers.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.transports.close();
        self.transports.wait().await;
    }

    /// Asks all connections, later ones included, to close with 1001 or its equivalent in their
    /// protocol.
    pub(super) fn close(&self) {
        self.shutdown.trigger(CloseCode::GOING_AWAY);
    }

    /// Closes the connections one after the other over this time. Waits until all have ended, at
    /// most until the deadline.
    pub(super) async fn drain(&self, deadline: Duration, over: Duration) -> Drained {
        let end = Instant::now() + deadline;
        let ended = async {
            let over = over.min(deadline);
            self.shutdown.drain(CloseCode::GOING_AWAY, over).await;
            self.ended().await;
        };
        // Transports that still linger at the deadline are not counted.
        match timeout_at(end, ended).await {
            Ok(()) => Drained { cut: 0 },
            Err(_) => Drained {
                cut: self.tasks.len(),
            },
        }
    }
}
