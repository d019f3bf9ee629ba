//! The membership of this server in a group of servers that share a broker.

use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use polysock::{Channels, Node, NodeWatch};
use polysock_web::bus::{BusSettings, History, open};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::config::bus::BusSection;

/// The connection to other servers through a broker, on a thread of its own.
#[derive(Debug)]
pub(crate) struct BusMembership {
    watch: NodeWatch,
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl BusMembership {
    /// Joins the channels to those of other servers. Returns `None` if no bus is configured.
    ///
    /// # Errors
    ///
    /// The broker cannot be used, or the thread cannot be started.
    pub(super) fn start(of: &BusSection, channels: &Channels) -> Result<Option<Self>, String> {
        let Some(url) = &of.url else {
            return Ok(None);
        };
        let history = of.history.map(|len| History {
            len: usize::try_from(len).unwrap_or(usize::MAX),
            age: of.history_age.max(Duration::from_secs(1)),
        });
        let settings = BusSettings {
            prefix: of.prefix.clone(),
            history,
        };
        let bus = open(url, &settings).map_err(|error| format!("[bus] url, or --bus: {error}"))?;
        let problem = |error| format!("the thread of the bus cannot be started: {error}");
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(problem)?;
        let channels = channels.clone();
        let (tell, told) = mpsc::channel();
        let (end, ended) = oneshot::channel::<()>();
        let serve = async move {
            let node = Node::start(&channels, Arc::from(bus));
            let _ = tell.send(node.as_ref().map(Node::watch).map_err(|error| *error));
            if let Ok(node) = node {
                // An error means that the sender was dropped, which also ends the node.
                let _ = ended.await;
                node.leave().await;
            }
        };
        let thread = thread::Builder::new().name("bus".to_owned());
        let thread = thread.spawn(move || runtime.block_on(serve));
        let thread = thread.map_err(problem)?;
        let gone = "the thread of the bus has ended";
        let watch = told
            .recv()
            .map_err(|_| gone)?
            .map_err(|error| error.to_string())?;
        Ok(Some(Self { watch, end, thread }))
    }

    /// Returns a view of the state of the node.
    pub(super) fn watch(&self) -> NodeWatch {
        self.watch.clone()
    }

    /// Leaves the group and waits for the thread to end.
    pub(crate) fn leave(self) {
        drop(self.end);
        // A panic of the thread has been logged already.
        let _ = self.thread.join();
    }
}
