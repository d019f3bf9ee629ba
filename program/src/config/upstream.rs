//! Groups of servers.

use std::time::Duration;

use polysock::upstream::{Balance, Ejection, GroupSettings, HealthCheck};

use super::balance::Balancing;
use super::form::{List, Maybe};
use super::health;
use super::key::{Key, Section};
use super::server::{Server, Servers};
#[cfg(feature = "tls")]
use super::upstream_tls::{self, UpstreamTls};
use super::words::{duration, number, optional_duration, zero_duration};

/// A group of servers: an `[upstream.NAME]`, or the `targets` of a route.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Upstream {
    pub(crate) targets: Vec<Server>,
    /// The balancing between the servers.
    pub(crate) balance: Balance,
    /// The most servers that are tried for a client.
    pub(crate) attempts: u32,
    /// The timeout of one attempt; `None` for its share of the total time.
    pub(crate) try_timeout: Option<Duration>,
    /// The conditions for ejecting a server after failures of clients' connections.
    pub(crate) ejection: Ejection,
    /// The TLS settings of connections to the servers; `None` for those of the route.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<UpstreamTls>,
    /// The active health checks; `None` for none.
    pub(crate) health: Option<HealthCheck>,
    /// The time over which the connections of a removed server are closed.
    pub(crate) drain: Duration,
}

impl Default for Upstream {
    fn default() -> Self {
        let GroupSettings {
            balance,
            attempts,
            try_timeout,
            ejection,
            health,
            ..
        } = GroupSettings::default();
        Self {
            targets: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
            balance,
            attempts,
            try_timeout,
            ejection,
            health,
            drain: Duration::from_secs(10),
        }
    }
}

/// The keys of `[upstream.NAME]`.
pub(super) fn keys() -> Vec<Key<Upstream>> {
    let mut keys = vec![
        Key::new(
            "targets",
            List(Servers),
            |upstream: &mut Upstream| &mut upstream.targets,
            "The servers: URLs, or tables with the share of each. A weight of 0 gives it no new clients.",
        )
        .example("[\"wss://10.0.0.1:9000\", { url = \"wss://10.0.0.2:9000\", weight = 2 }]"),
        Key::new(
            "balance",
            Balancing,
            |upstream| &mut upstream.balance,
            "Which server a client gets: \"round-robin\", \"least-connections\", \"hash-address\", or the same \
             for the same { hash = \"header:NAME\" }, \"cookie:NAME\", \"query:NAME\" or \"address\".",
        ),
        Key::new(
            "attempts",
            number(),
            |upstream| &mut upstream.attempts,
            "How many servers are tried for a client before it is told 503.",
        ),
        Key::new(
            "try_timeout",
            optional_duration(),
            |upstream| &mut upstream.try_timeout,
            "How long one server may take to be there, or \"none\": its part of connect_timeout, so that there is \
             time for the others.",
        ),
        Key::new(
            "failures",
            number(),
            |upstream| &mut upstream.ejection.failures,
            "After how many failures in a row clients get no such server any more, for a time.",
        ),
        Key::new(
            "failures_within",
            duration(),
            |upstream| &mut upstream.ejection.within,
            "Within which time these have to be.",
        ),
        Key::new(
            "back_off",
            duration(),
            |upstream| &mut upstream.ejection.back_off,
            "For how long it gets none at first; then one client tries it.",
        ),
        Key::new(
            "max_back_off",
            duration(),
            |upstream| &mut upstream.ejection.max_back_off,
            "For how long at most: the time doubles with every try that fails.",
        ),
        Key::new(
            "slow_start",
            zero_duration(),
            |upstream| &mut upstream.ejection.slow_start,
            "In which time a server that comes back gets its full share, or \"none\" for at once.",
        ),
        Key::new(
            "drain",
            duration(),
            |upstream| &mut upstream.drain,
            "The time over which the connections of a removed server are closed.",
        ),
        Key::new(
            "health",
            Maybe(Section {
                title: "`health`",
                keys: health::keys,
            }),
            |upstream| &mut upstream.health,
            "How servers are checked beside. Not given: not at all.",
        ),
    ];
    keys.extend(tls());
    keys
}

#[cfg(feature = "tls")]
fn tls() -> Option<Key<Upstream>> {
    Some(Key::new(
        "tls",
        Maybe(Section {
            title: "`tls`",
            keys: upstream_tls::keys,
        }),
        |upstream: &mut Upstream| &mut upstream.tls,
        "How the servers of wss://, tls:// and https:// are met. Not given: as `upstream_tls` of the route says.",
    ))
}

#[cfg(not(feature = "tls"))]
fn tls() -> Option<Key<Upstream>> {
    None
}
