//! Whether every worker goes through its work.

use tokio::runtime::Handle;

/// Whether every worker goes through its work: for a watchdog, which ends a process that hangs.
#[derive(Clone, Debug)]
pub struct Pulse {
    workers: Vec<Handle>,
}

impl Pulse {
    pub(super) fn new(workers: Vec<Handle>) -> Self {
        Self { workers }
    }

    /// Waits until each worker has done something new. A worker that hangs holds it up for ever; one that
    /// has ended does not.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn beat(&self) {
        let workers = self.workers.iter();
        let tasks: Vec<_> = workers.map(|worker| worker.spawn(async {})).collect();
        for task in tasks {
            // A task is cancelled where its worker has ended.
            let _ = task.await;
        }
    }
}
