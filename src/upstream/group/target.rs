//! A target of a group, and its state.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polysock_protocols::hide_secrets;
use tokio::time::Instant;
use tracing::{info, warn};

use super::balance::hash;
use super::health::{Change, Ejection, Health, Runs};
use super::probe::Probe;
use crate::connection::Shutdown;
use crate::upstream::location::strip_scheme;
use crate::upstream::{self, HttpUpstream, Upstream, UpstreamSettings, UrlError};

/// A target of a [`Group`](super::Group).
#[derive(Clone, Debug)]
pub struct Target {
    pub(super) name: String,
    pub(super) upstream: Arc<dyn Upstream>,
    pub(super) weight: u32,
    pub(super) probe: Option<Probe>,
    /// The handler of ordinary requests; `None` if the target is not a web server.
    pub(super) web_server: Option<HttpUpstream>,
}

impl Target {
    /// Creates the target for a URL, with a weight of 1.
    ///
    /// # Errors
    ///
    /// The URL names no upstream.
    pub fn parse(url: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        let probe = Probe::parse(url, &settings);
        let of_web = ["http://", "https://"];
        if of_web
            .iter()
            .any(|scheme| strip_scheme(scheme, url).is_some())
        {
            let server = HttpUpstream::parse(url, settings)?;
            return Ok(Self {
                probe,
                web_server: Some(server.clone()),
                ..Self::new(url, Arc::new(server))
            });
        }
        let upstream = upstream::parse(url, settings)?;
        Ok(Self {
            probe,
            ..Self::new(url, upstream)
        })
    }

    /// Creates a target of any kind with a weight of 1 and without health checks. The name
    /// identifies the target when the targets of its group are replaced.
    pub fn new(name: impl Into<String>, upstream: Arc<dyn Upstream>) -> Self {
        Self {
            name: name.into(),
            upstream,
            weight: 1,
            probe: None,
            web_server: None,
        }
    }

    /// Changes the weight. A target of weight 2 gets twice as many clients as one of weight 1, and
    /// a target of weight 0 gets none.
    #[must_use]
    pub fn with_weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }
}

/// A target in its group.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) target: Target,
    /// The name with its secrets hidden.
    pub(super) shown: String,
    pub(super) hash: u64,
    /// The state that outlives a replacement of the targets.
    pub(super) kept: Arc<PersistentState>,
}

/// The state of a target that outlives a replacement of the targets.
#[derive(Debug, Default)]
pub(super) struct PersistentState {
    /// The number of connections, including those that are being opened.
    pub(super) open: AtomicUsize,
    /// The connections, to close them.
    pub(super) connections: Shutdown,
    state: Mutex<State>,
}

/// The state that changes with every client.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) health: Health,
    /// The weight by which the target lags behind the others in the round-robin.
    pub(super) credit: f64,
}

impl Member {
    pub(super) fn new(target: Target, kept: Arc<PersistentState>) -> Self {
        Self {
            shown: hide_secrets(&target.name).into_owned(),
            hash: hash(target.name.as_bytes()),
            target,
            kept,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Each intermediate state is valid, so a panic cannot break it.
        let state = self.kept.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that a client was connected.
    pub(super) fn succeeded(&self) {
        let change = self.state().health.succeeded(Instant::now());
        if change == Some(Change::Up) {
            info!(upstream = self.shown, "target is back");
        }
    }

    /// Records that a client could not be connected, for this reason.
    pub(super) fn failed(
        &self,
        reason: &dyn std::fmt::Display,
        at_once: bool,
        is_trial: bool,
        ejection: &Ejection,
    ) {
        let mut state = self.state();
        let change = (state.health).failed(Instant::now(), at_once, is_trial, ejection);
        drop(state);
        if change == Some(Change::Down) {
            warn!(upstream = self.shown, reason = %reason, "target is out");
        }
    }

    /// Records that a check has passed, or has failed for this reason.
    pub(super) fn checked(&self, result: Result<(), String>, runs: Runs) {
        let mut state = self.state();
        let change = (state.health).checked(Instant::now(), result.is_ok(), runs);
        drop(state);
        match (change, result) {
            (Some(Change::Up), _) => info!(upstream = self.shown, "target passes its checks"),
            (Some(Change::Down), Err(reason)) => {
                warn!(upstream = self.shown, reason, "target fails its checks");
            }
            _ => {}
        }
    }
}
