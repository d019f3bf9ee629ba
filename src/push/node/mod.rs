//! A node: one of several processes whose channels are joined by a broker.
//!
//! ```text
//!   channels ──outlet──▶ node ──commands──▶ link ──▶ broker ──▶ other nodes
//!      ▲                  │ ◀───events───── link ◀──
//!      └─── deliveries ───┘
//!
//!   tally     the counters
//!   outbox    publications on their way to the broker
//!   inbound   publications received on a channel: each once, in order; gaps are noticed
//!   peers     the other nodes, and presence on their channels
//!   effect    the effects that the engine requests
//!   engine    the logic, without clock and I/O
//!   state     the state, and a handle that reads it
//!   driver    the task, which owns the clock and the connection
//! ```

mod driver;
mod effect;
mod engine;
mod inbound;
mod outbox;
mod peers;
#[cfg(test)]
mod simulation;
mod state;
mod tally;

use std::fmt;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use self::driver::Driver;
pub use self::state::{NodeState, NodeWatch};
pub use self::tally::Tally;
use super::bus::Bus;
use super::channels::Channels;
use super::envelope::NodeId;
use super::outlet::Outlet;
use crate::random::entropy;

/// A node, which joins the channels of this process to those of others that share the same broker.
/// A publication of this process is delivered to its own subscribers immediately, and sent to the
/// other nodes in the order of publication.
///
/// While the broker is unreachable, publications of this process are delivered locally and wait for
/// the broker: the latest 16,384, or 16 MiB. Publications of other nodes may be missing meanwhile:
/// they are counted, reported ([`Component::on_gap`](crate::apps::component::Component::on_gap)),
/// and fetched from the broker if it [keeps](Bus::has_history) them. No publication is delivered
/// twice.
pub struct Node {
    watch: NodeWatch,
    /// Ends the task when dropped. `None` once the node is leaving.
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// The error for channels that already have a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the channels already have a node")]
pub struct NodeError;

impl Node {
    /// Starts a node as a task of the current runtime.
    ///
    /// # Errors
    ///
    /// The channels already have a node.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub fn start(channels: &Channels, bus: Arc<dyn Bus>) -> Result<Self, NodeError> {
        let mut id = [0; 8];
        entropy(&mut id);
        let me = NodeId(u64::from_be_bytes(id));
        let (inputs, coming) = mpsc::unbounded_channel();
        if !channels.attach(Outlet::new(me, bus.has_history(), inputs)) {
            return Err(NodeError);
        }
        let watch = NodeWatch::default();
        let (end, ended) = oneshot::channel();
        let driver = Driver::new(me, bus.has_history(), channels.clone(), watch.clone());
        let task = tokio::spawn(driver.run(bus, coming, ended));
        Ok(Self {
            watch,
            end: Some(end),
            task,
        })
    }

    /// Returns the current state of the node.
    pub fn state(&self) -> NodeState {
        self.watch.state()
    }

    /// Returns a handle that reads the state of the node but cannot end it.
    pub fn watch(&self) -> NodeWatch {
        self.watch.clone()
    }

    /// Ends the node: sends the waiting publications, for at most half a second, and notifies the
    /// other nodes.
    pub async fn leave(mut self) {
        drop(self.end.take());
        // A panic of the task was already reported.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
