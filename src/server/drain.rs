//! How the connections of a port come to an end.

use std::time::Duration;

use polysock_protocols::CloseCode;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use crate::connection::{Budget, Registry, Shutdown, ShutdownSignal};
use crate::transport::Permit;

/// How a gateway ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// How many connections were cut, as the deadline was over before they had ended.
    pub cut: usize,
}

/// The connections of a port, from their acceptance to the last of their bytes.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// One for each connection, until its application is done with it.
    tasks: TaskTracker,
    /// One for each transport: those that linger are there without a task of their own.
    transports: TaskTracker,
    /// Tells them one by one to close.
    shutdown: Shutdown,
}

impl Connections {
    /// Counts a transport, with what else is to be held for as long as it is there.
    pub(super) fn count(&self, held: impl Send + Sync + 'static) -> Permit {
        Permit::new((self.transports.token(), held))
    }

    /// Has those close that hold most when a budget is used up.
    pub(super) fn count_in(&self, budget: &Budget) {
        budget.govern(&self.shutdown);
    }

    /// Has those be known that are open.
    pub(super) fn watched_by(&self, registry: &Registry) {
        registry.watch(&self.shutdown);
    }

    /// Who tells one more connection to close.
    pub(super) fn register(&self) -> ShutdownSignal {
        self.shutdown.register()
    }

    /// Serves a connection in a task of its own.
    pub(super) fn spawn(&self, serving: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(serving);
    }

    /// Waits until all have ended, and nothing lingers.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.transports.close();
        self.transports.wait().await;
    }

    /// Asks all of them, those to come included, to close: with 1001, or its like in their protocol.
    pub(super) fn close(&self) {
        self.shutdown.trigger(CloseCode::GOING_AWAY);
    }

    /// Closes them, one after the other over this time, and waits until all have ended, but no longer than
    /// to the deadline.
    pub(super) async fn drain(&self, deadline: Duration, over: Duration) -> Drained {
        let end = Instant::now() + deadline;
        let ended = async {
            let over = over.min(deadline);
            self.shutdown.drain(CloseCode::GOING_AWAY, over).await;
            self.ended().await;
        };
        // What is over time lingers no more.
        match timeout_at(end, ended).await {
            Ok(()) => Drained { cut: 0 },
            Err(_) => Drained {
                cut: self.tasks.len(),
            },
        }
    }
}
