//! The state of the server, as the control listener sees it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use polysock::{Budget, NodeState, NodeWatch, Pulse, Registry};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::census::Census;
use super::rates::Rates;

/// The state of the server, as the control listener sees it.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) registry: Registry,
    pub(super) budget: Budget,
    pub(super) pulse: Pulse,
    pub(super) census: Arc<Census>,
    pub(super) max_connections: usize,
    pub(super) workers: usize,
    pub(super) began: Instant,
    pub(super) rates: Rates,
    pub(super) reloads: Reloads,
    /// True if the server stays ready while it drains.
    pub(super) ready_while_draining: bool,
    node: Option<NodeWatch>,
    is_stopping: AtomicBool,
    facts: Mutex<Facts>,
    /// The task that closes connections, while it runs.
    closing: Mutex<Option<Closing>>,
    asks: UnboundedSender<Ask>,
}

/// The facts that a reload changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// The addresses that listen for clients.
    pub(crate) listeners: Vec<String>,
    /// The number of routes.
    pub(crate) routes: usize,
    /// The configuration in force, with its secrets masked.
    pub(crate) config: String,
    pub(crate) certificates: Certificates,
}

/// A source of the certificates: the names of their files, and the expiry time of each. A
/// certificate is read again when its file changes.
#[derive(Clone)]
pub(crate) struct Certificates(pub(crate) Arc<dyn Fn() -> Vec<(String, SystemTime)> + Send + Sync>);

impl Default for Certificates {
    fn default() -> Self {
        Self(Arc::new(Vec::new))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((self.0)()).finish()
    }
}

/// A task that closes connections at some pace.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) task: AbortHandle,
    /// The number of connections when the task was started.
    pub(super) count: usize,
}

/// A request to the server to read its configuration again, and to report the result.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) answer: oneshot::Sender<Result<String, String>>,
}

/// The numbers of reloads.
#[derive(Debug)]
pub(crate) struct Reloads {
    succeeded: AtomicU64,
    failed: AtomicU64,
    last_success: Mutex<SystemTime>,
}

impl Default for Reloads {
    /// The configuration at the start counts as the last success.
    fn default() -> Self {
        Self {
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_success: Mutex::new(SystemTime::now()),
        }
    }
}

impl Reloads {
    /// Records a reload and its success.
    pub(crate) fn note(&self, has_succeeded: bool) {
        match has_succeeded {
            true => {
                self.succeeded.fetch_add(1, Ordering::Relaxed);
                let last = self.last_success.lock();
                *last.unwrap_or_else(PoisonError::into_inner) = SystemTime::now();
            }
            false => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn counts(&self) -> [(&'static str, u64); 2] {
        [
            ("success", self.succeeded.load(Ordering::Relaxed)),
            ("failure", self.failed.load(Ordering::Relaxed)),
        ]
    }

    pub(super) fn last_success(&self) -> SystemTime {
        *self
            .last_success
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The initial values of a [`State`].
#[derive(Debug)]
pub(crate) struct InitialState {
    pub(crate) registry: Registry,
    pub(crate) budget: Budget,
    pub(crate) pulse: Pulse,
    pub(crate) max_connections: usize,
    pub(crate) workers: usize,
    pub(crate) ready_while_draining: bool,
    /// This server's state on the bus; `None` without a bus.
    pub(crate) node: Option<NodeWatch>,
    pub(crate) facts: Facts,
}

impl State {
    pub(super) fn new(
        beginning: InitialState,
        census: Arc<Census>,
        asks: UnboundedSender<Ask>,
    ) -> Self {
        Self {
            registry: beginning.registry,
            budget: beginning.budget,
            pulse: beginning.pulse,
            census,
            max_connections: beginning.max_connections,
            workers: beginning.workers,
            began: Instant::now(),
            rates: Rates::default(),
            reloads: Reloads::default(),
            ready_while_draining: beginning.ready_while_draining,
            node: beginning.node,
            is_stopping: AtomicBool::new(false),
            facts: Mutex::new(beginning.facts),
            closing: Mutex::default(),
            asks,
        }
    }

    /// True if a load balancer may send clients here.
    pub(super) fn is_ready(&self) -> bool {
        let is_draining = self.registry.is_draining() && !self.ready_while_draining;
        !is_draining && !self.is_stopping.load(Ordering::Relaxed)
    }

    /// The state on the bus; `None` without a bus.
    pub(super) fn node(&self) -> Option<NodeState> {
        self.node.as_ref().map(NodeWatch::state)
    }

    /// Records that the server is ending.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// The numbers of reloads.
    pub(crate) fn reloads(&self) -> &Reloads {
        &self.reloads
    }

    /// Replaces the facts after a reload.
    pub(crate) fn replace(&self, facts: Facts) {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = facts;
    }

    pub(super) fn facts(&self) -> Facts {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.clone()
    }

    /// The task that closes connections, if one runs.
    pub(super) fn closing(&self) -> MutexGuard<'_, Option<Closing>> {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests a reload, and returns its result.
    pub(super) async fn reload(&self) -> Result<String, String> {
        let (answer, answered) = oneshot::channel();
        let gone = || "the server is shutting down".to_owned();
        self.asks.send(Ask { answer }).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}
