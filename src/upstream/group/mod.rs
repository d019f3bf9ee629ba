//! A group of several targets for one route.
//!
//! ```text
//!   Group ── members ──▶ Member: a target, its health, its connections
//!     │                     ▲          ▲
//!     │ pick: balance       │          └── check: probes the target at intervals
//!     ▼                     │
//!   Lease ──────────────────┘ counts as a connection; reports its outcome
//! ```

mod balance;
mod check;
mod health;
mod lease;
mod members;
mod pass;
mod probe;
mod target;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::time::{Instant, timeout};
use tracing::debug;

use self::balance::Candidate;
pub use self::balance::{Balance, HashOf, Key};
pub use self::check::HealthCheck;
pub use self::health::Ejection;
use self::health::Standing;
pub use self::lease::Lease;
use self::members::Members;
use self::target::Member;
pub use self::target::Target;
use super::{Client, Connected, Upstream, UpstreamError};

/// Several targets, of which each client gets one that is available.
///
/// The next target is tried if one cannot be connected to, does not answer in time, breaks off its
/// opening handshake or answers with 502, 503 or 504. A refusal by the application (401, 403, 404,
/// 302 and the like) is passed on to the client. If no target is left, the client is asked to try
/// again later: [`UpstreamError::NoTarget`].
///
/// The only target of a group is never ejected, except by its health checks: clients get its error.
/// Clones share the group.
#[derive(Clone)]
pub struct Group {
    members: Arc<Members>,
    settings: Arc<GroupSettings>,
    ejection: Arc<Ejection>,
}

/// The settings of the choice and the supervision of targets.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupSettings {
    /// The method by which a target is chosen.
    pub balance: Balance,
    /// The time that connecting may take, for all targets tried together, the opening handshakes
    /// included. Default: 5 seconds.
    pub connect_timeout: Duration,
    /// The number of targets that are tried for a client. Default: 3.
    pub attempts: u32,
    /// The time that one target may take. `None`, the default, for a share of the remaining time,
    /// so that a target that does not answer leaves time for the others.
    pub try_timeout: Option<Duration>,
    /// The rules for ejecting a target because of failures of its clients.
    pub ejection: Ejection,
    /// The settings of the additional health checks, which [`Group::watch`] runs; `None`, the
    /// default, for no checks.
    pub health: Option<HealthCheck>,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            balance: Balance::default(),
            connect_timeout: Duration::from_secs(5),
            attempts: 3,
            try_timeout: None,
            ejection: Ejection::default(),
            health: None,
        }
    }
}

/// The time after which clients may try again if it is unknown when a target returns.
const SOON: Duration = Duration::from_secs(1);

impl Group {
    /// Creates a group of these targets.
    pub fn new(targets: Vec<Target>, settings: GroupSettings) -> Self {
        Self {
            members: Arc::new(Members::new(targets)),
            ejection: Arc::new(settings.ejection.clone()),
            settings: Arc::new(settings),
        }
    }

    /// Returns the settings.
    pub fn settings(&self) -> &GroupSettings {
        &self.settings
    }

    /// Chooses a target for a client with this [key](Balance::key), other than those it has
    /// `tried`. `None` if no target is left, or the number of attempts is exhausted.
    pub fn pick(&self, key: Option<Key>, tried: &[Lease]) -> Option<Lease> {
        if tried.len() >= self.attempts() {
            return None;
        }
        let (list, now) = (self.members.list(), Instant::now());
        let mut candidates = Vec::new();
        for member in list.iter().filter(|member| member.target.weight > 0) {
            if tried.iter().any(|lease| lease.is_of(member)) {
                continue;
            }
            let share = match self.standing(member, list.len() == 1, now) {
                Standing::In(share) => share,
                Standing::Trial if member.state().health.begin_trial() => {
                    return Some(self.lease(member, true));
                }
                Standing::Trial | Standing::Out(_) => continue,
            };
            let weight = f64::from(member.target.weight) * share;
            let mut state = member.state();
            state.credit += weight;
            let candidate = Candidate {
                weight,
                open: member.kept.open.load(Ordering::Relaxed),
                hash: member.hash,
                credit: state.credit,
            };
            drop(state);
            candidates.push((member, candidate));
        }
        let (members, candidates): (Vec<_>, Vec<_>) = candidates.into_iter().unzip();
        let chosen = self.settings.balance.choose(key, &candidates)?;
        let member = members.get(chosen)?;
        // Smooth weighted round-robin: each target gains its weight, and the chosen one loses the
        // total.
        let total: f64 = candidates.iter().map(|candidate| candidate.weight).sum();
        member.state().credit -= total;
        Some(self.lease(member, false))
    }

    /// Returns the time that this target may take, for a client that has `tried` others and has the
    /// time `left` for all.
    pub fn try_timeout(&self, lease: &Lease, tried: &[Lease], left: Duration) -> Duration {
        if let Some(limit) = self.settings.try_timeout {
            return limit.min(left);
        }
        let (list, now) = (self.members.list(), Instant::now());
        let is_left = |member: &&Arc<Member>| {
            let mut tried = tried.iter().chain([lease]);
            member.target.weight > 0
                && !tried.any(|lease| lease.is_of(member))
                && !matches!(self.standing(member, false, now), Standing::Out(_))
        };
        let others = list.iter().filter(is_left).count();
        let attempts = self.attempts().saturating_sub(tried.len());
        left / u32::try_from(attempts.min(others + 1)).map_or(1, |tries| tries.max(1))
    }

    /// Returns the error for a client if no target is available.
    pub fn none_left(&self) -> UpstreamError {
        let (list, now) = (self.members.list(), Instant::now());
        let check = self.settings.health.as_ref();
        let next_check = check.map_or(SOON, |check| check.interval);
        let waits = list
            .iter()
            .filter_map(|member| match self.standing(member, false, now) {
                Standing::Out(until) => Some(until.map_or(next_check, |until| until - now)),
                Standing::In(_) | Standing::Trial => None,
            });
        let wait = waits.min().unwrap_or(SOON);
        UpstreamError::NoTarget {
            retry_after: wait.max(SOON),
        }
    }

    /// Replaces the targets. A target with the same name keeps its connections and its health.
    /// Removed targets get no new connections from this call on. The returned future closes their
    /// connections, with 1001 or its equivalent in their protocol, spread over the time `drain`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, connections that were not yet asked to close stay open.
    pub fn set_targets(
        &self,
        targets: Vec<Target>,
        drain: Duration,
    ) -> impl Future<Output = ()> + Send + 'static {
        self.members.replace(targets, drain)
    }

    /// Checks the targets until the future is dropped, on the runtime that polls it. Ends
    /// immediately if no checks are set.
    pub fn watch(&self) -> impl Future<Output = ()> + Send + 'static {
        let members = Arc::clone(&self.members);
        let check = self.settings.health.clone().map(Arc::new);
        async move {
            if let Some(check) = check {
                check::watch(members, check).await;
            }
        }
    }

    async fn reach(&self, client: Client<'_>) -> Result<Connected, UpstreamError> {
        let Client { request, peer } = client;
        let address = peer.address.map(|address| address.ip());
        let key = self.settings.balance.key(&request.target, address, |name| {
            request.head.values(name).collect()
        });
        let deadline = Instant::now() + self.settings.connect_timeout;
        let (mut tried, mut failure) = (Vec::new(), None);
        while let Some(mut lease) = self.pick(key, &tried) {
            let left = deadline.saturating_duration_since(Instant::now());
            let limit = self.try_timeout(&lease, &tried, left);
            let connecting = lease.upstream().connect(client);
            let error = match timeout(limit, connecting).await {
                Ok(Ok(connected)) => {
                    lease.succeeded();
                    let lease = Some(lease);
                    return Ok(Connected { lease, ..connected });
                }
                Ok(Err(error)) => error,
                Err(_) => UpstreamError::Timeout,
            };
            if !lease.failed(&error) {
                return Err(error);
            }
            debug!(upstream = lease.name(), %error, "the next target is tried");
            tried.push(lease);
            failure = Some(error);
            if Instant::now() >= deadline {
                break;
            }
        }
        Err(match failure {
            // A refusal by a proxy in front of the application is passed on, and so is the error of
            // the only target.
            Some(error @ UpstreamError::Refused(_)) => error,
            Some(error) if self.members.list().len() == 1 => error,
            Some(_) | None => self.none_left(),
        })
    }

    /// Returns the clients that a target may get.
    fn standing(&self, member: &Member, is_alone: bool, now: Instant) -> Standing {
        match member.state().health.standing(now, &self.ejection) {
            // Clients of the only target get its error.
            Standing::Trial | Standing::Out(Some(_)) if is_alone => Standing::In(1.0),
            standing => standing,
        }
    }

    fn attempts(&self) -> usize {
        usize::try_from(self.settings.attempts).unwrap_or(usize::MAX)
    }

    fn lease(&self, member: &Arc<Member>, is_trial: bool) -> Lease {
        Lease::new(Arc::clone(member), Arc::clone(&self.ejection), is_trial)
    }
}

impl Upstream for Group {
    fn connect<'a>(
        &'a self,
        client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connected, UpstreamError>> {
        Box::pin(self.reach(client))
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = self.members.list();
        let names = list.iter().map(|member| &member.shown);
        f.debug_list().entries(names).finish()
    }
}
