//! Several targets behind one route.
//!
//! ```text
//!   Group ── members ──▶ Member: a target, its health, its connections
//!     │                     ▲          ▲
//!     │ pick: balance       │          └── check: asks again and again
//!     ▼                     │
//!   Lease ──────────────────┘ counts as a connection; tells how it went
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

/// Several targets, of which each client gets one that is there.
///
/// A client whose target cannot be connected to, does not answer in time, breaks off its opening
/// handshake or answers with 502, 503 or 504 gets the next; what an app refuses (401, 403, 404, 302 and
/// the like) it is told. Where no target is left, it is told to come again: [`UpstreamError::NoTarget`].
///
/// The only target of a group is never out, but for its checks: clients are told what is wrong with it.
/// Clones are the same group.
#[derive(Clone)]
pub struct Group {
    members: Arc<Members>,
    settings: Arc<GroupSettings>,
    ejection: Arc<Ejection>,
}

/// How targets are chosen, and watched.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupSettings {
    /// Which target gets a client.
    pub balance: Balance,
    /// How long connecting may take with all targets that are tried together, the opening handshake
    /// included. Default: 5 seconds.
    pub connect_timeout: Duration,
    /// How many targets are tried for a client. Default: 3.
    pub attempts: u32,
    /// How long one target may take; `None`, the default: its part of what is left of the time for
    /// all, so that one that does not answer leaves time for the others.
    pub try_timeout: Option<Duration>,
    /// When a target is taken out for what clients meet there.
    pub ejection: Ejection,
    /// How targets are checked beside; `None`, the default: not at all. [`Group::watch`] does it.
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

/// When clients may come again where nobody knows when a target is back.
const SOON: Duration = Duration::from_secs(1);

impl Group {
    /// A group of these targets.
    pub fn new(targets: Vec<Target>, settings: GroupSettings) -> Self {
        Self {
            members: Arc::new(Members::new(targets)),
            ejection: Arc::new(settings.ejection.clone()),
            settings: Arc::new(settings),
        }
    }

    /// How targets are chosen.
    pub fn settings(&self) -> &GroupSettings {
        &self.settings
    }

    /// Chooses a target for a client with this [key](Balance::key), none of those that it has `tried`.
    /// `None` where none is left, or as many were tried as may be.
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
        // Smooth weighted round-robin: each goes ahead by its weight, and who is chosen back by all.
        let total: f64 = candidates.iter().map(|candidate| candidate.weight).sum();
        member.state().credit -= total;
        Some(self.lease(member, false))
    }

    /// How long this target may take, of a client that has `tried` others and has so much time left.
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

    /// What a client is told where no target is there.
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

    /// Puts other targets in the place of these. One with the same name goes on as it is, with its
    /// connections and what is known of it. Connections of the targets that are gone are closed by the
    /// future, with 1001 or its like in their protocol, spread over this time; new ones are not
    /// given to them from this call on.
    ///
    /// # Cancel safety
    ///
    /// Connections that were not asked to close yet where the future is dropped, stay.
    pub fn set_targets(
        &self,
        targets: Vec<Target>,
        drain: Duration,
    ) -> impl Future<Output = ()> + Send + 'static {
        self.members.replace(targets, drain)
    }

    /// Checks the targets until it is dropped, on the runtime that polls it; ends at once where no
    /// checks are set.
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
            // A proxy before an app says what there is to say, and so does the only target.
            Some(error @ UpstreamError::Refused(_)) => error,
            Some(error) if self.members.list().len() == 1 => error,
            Some(_) | None => self.none_left(),
        })
    }

    /// What may be done with a target.
    fn standing(&self, member: &Member, is_alone: bool, now: Instant) -> Standing {
        match member.state().health.standing(now, &self.ejection) {
            // Clients of the only one are told what is wrong with it.
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
