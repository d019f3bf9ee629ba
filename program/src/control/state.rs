//! What the control listener knows of the server.

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

/// What the control listener knows of the server.
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
    /// Whether clients may be sent here while connections are being closed.
    pub(super) ready_while_draining: bool,
    node: Option<NodeWatch>,
    is_stopping: AtomicBool,
    facts: Mutex<Facts>,
    /// What closes connections, until it has done so.
    closing: Mutex<Option<Closing>>,
    asks: UnboundedSender<Ask>,
}

/// What another configuration changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Where clients come in.
    pub(crate) listeners: Vec<String>,
    /// How many routes there are.
    pub(crate) routes: usize,
    /// The configuration that is in force, its secrets masked.
    pub(crate) config: String,
    pub(crate) certificates: Certificates,
}

/// Tells the certificates that there are, by the names of their files, and when each ends: they are read
/// again when their files change.
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

/// Connections that are being closed, some at a time.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) task: AbortHandle,
    /// How many were there to be closed.
    pub(super) count: usize,
}

/// Asks the server to read its configuration again, and to say what has become of it.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) answer: oneshot::Sender<Result<String, String>>,
}

/// How often the configuration was read again.
#[derive(Debug)]
pub(crate) struct Reloads {
    succeeded: AtomicU64,
    failed: AtomicU64,
    last_success: Mutex<SystemTime>,
}

impl Default for Reloads {
    /// It was read once.
    fn default() -> Self {
        Self {
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_success: Mutex::new(SystemTime::now()),
        }
    }
}

impl Reloads {
    /// It was read again; whether it was put in force.
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

/// What a [`State`] begins with.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) registry: Registry,
    pub(crate) budget: Budget,
    pub(crate) pulse: Pulse,
    pub(crate) max_connections: usize,
    pub(crate) workers: usize,
    pub(crate) ready_while_draining: bool,
    /// This server among others, if there are any.
    pub(crate) node: Option<NodeWatch>,
    pub(crate) facts: Facts,
}

impl State {
    pub(super) fn new(
        beginning: Beginning,
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

    /// Whether clients may be sent here.
    pub(super) fn is_ready(&self) -> bool {
        let is_draining = self.registry.is_draining() && !self.ready_while_draining;
        !is_draining && !self.is_stopping.load(Ordering::Relaxed)
    }

    /// How this server is among others, if there are any.
    pub(super) fn node(&self) -> Option<NodeState> {
        self.node.as_ref().map(NodeWatch::state)
    }

    /// Notes that the server ends.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// How often the configuration was read again.
    pub(crate) fn reloads(&self) -> &Reloads {
        &self.reloads
    }

    /// Notes what another configuration has changed.
    pub(crate) fn replace(&self, facts: Facts) {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = facts;
    }

    pub(super) fn facts(&self) -> Facts {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.clone()
    }

    /// What closes connections.
    pub(super) fn closing(&self) -> MutexGuard<'_, Option<Closing>> {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the configuration read again, and says what has become of it.
    pub(super) async fn reload(&self) -> Result<String, String> {
        let (answer, answered) = oneshot::channel();
        let gone = || "the server ends".to_owned();
        self.asks.send(Ask { answer }).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}
