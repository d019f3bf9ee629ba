//! A check that every worker makes progress.

use tokio::runtime::Handle;

/// A check that every worker makes progress, for a watchdog that ends a hanging process.
#[derive(Clone, Debug)]
pub struct Pulse {
    workers: Vec<Handle>,
}

impl Pulse {
    pub(super) fn new(workers: Vec<Handle>) -> Self {
        Self { workers }
    }

    /// Waits until each worker has run a new task. A worker that hangs delays this forever, a
    /// worker that has ended does not.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn beat(&self) {
        let workers = self.workers.iter();
        let tasks: Vec<_> = workers.map(|worker| worker.spawn(async {})).collect();
        for task in tasks {
            // A task is cancelled if its worker has ended.
            let _ = task.await;
        }
    }
}
