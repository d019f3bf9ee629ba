//! One of several processes whose channels are joined by a broker.
//!
//! ```text
//!   channels ──outlet──▶ node ──commands──▶ link ──▶ broker ──▶ other nodes
//!      ▲                  │ ◀───events───── link ◀──
//!      └─── deliveries ───┘
//!
//!   tally     what is counted
//!   outbox    what is on its way to the broker
//!   inbound   what comes on a channel: once each, in order, and what is missing
//!   peers     the other nodes, and who is on a channel there
//!   effect    what is to be done
//!   engine    all of it, as values
//!   state     how it is
//!   driver    what has a clock and a connection
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

/// Joins the channels of this process to those of others that share the same broker. What is published here is
/// delivered to those who are here at once, and sent to the other nodes, in the order in which it was published.
///
/// While there is no broker, what is published here is delivered here, and waits for the broker: 16,384 publications
/// or 16 MiB, the latest. What other nodes publish meanwhile may be missing: it is counted, told
/// ([`Component::on_gap`](crate::apps::component::Component::on_gap)), and where the broker
/// [keeps](Bus::has_history) it, had from there. Nothing is delivered twice.
pub struct Node {
    watch: NodeWatch,
    /// Ends the task.
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// The channels have a node already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the channels have a node already")]
pub struct NodeError;

impl Node {
    /// Starts one, as a task of the current runtime.
    ///
    /// # Errors
    ///
    /// The channels have one.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
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

    /// How it is now.
    pub fn state(&self) -> NodeState {
        self.watch.state()
    }

    /// Tells how it is, to those who do not end it.
    pub fn watch(&self) -> NodeWatch {
        self.watch.clone()
    }

    /// Ends it: what waits is sent, half a second at most, and the others are told.
    pub async fn leave(mut self) {
        drop(self.end.take());
        // One that panicked has told so.
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
