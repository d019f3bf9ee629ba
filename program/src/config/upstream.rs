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
            "The servers: URLs, or tables with a URL and a weight. A server with the weight 0 gets no new clients.",
        )
        .example("[\"wss://10.0.0.1:9000\", { url = \"wss://10.0.0.2:9000\", weight = 2 }]"),
        Key::new(
            "balance",
            Balancing,
            |upstream| &mut upstream.balance,
            "The method by which clients get their servers: \"round-robin\", \"least-connections\", \"hash-address\", \
             or { hash = \"header:NAME\" }, which sends clients with the same value to the same server. The hash may \
             also be of \"cookie:NAME\", \"query:NAME\" or \"address\".",
        ),
        Key::new(
            "attempts",
            number(),
            |upstream| &mut upstream.attempts,
            "The maximum number of servers that are tried for a client before it receives 503.",
        ),
        Key::new(
            "try_timeout",
            optional_duration(),
            |upstream| &mut upstream.try_timeout,
            "The time limit for connecting to one server, or \"none\" for its share of connect_timeout, which leaves \
             time for the others.",
        ),
        Key::new(
            "failures",
            number(),
            |upstream| &mut upstream.ejection.failures,
            "The number of failures in a row that eject a server. An ejected server gets no clients for some time.",
        ),
        Key::new(
            "failures_within",
            duration(),
            |upstream| &mut upstream.ejection.within,
            "The time within which the `failures` must happen.",
        ),
        Key::new(
            "back_off",
            duration(),
            |upstream| &mut upstream.ejection.back_off,
            "The time for which a server is ejected at first. Then one client tries it.",
        ),
        Key::new(
            "max_back_off",
            duration(),
            |upstream| &mut upstream.ejection.max_back_off,
            "The maximum time for which a server is ejected. The time doubles with every trial that fails.",
        ),
        Key::new(
            "slow_start",
            zero_duration(),
            |upstream| &mut upstream.ejection.slow_start,
            "The time over which a returning server regains its full share, or \"none\" for immediately.",
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
            "The active health checks of the servers. Default: no checks.",
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
        "The TLS settings for wss://, tls:// and https:// servers. Default: `upstream_tls` of the route.",
    ))
}

#[cfg(not(feature = "tls"))]
fn tls() -> Option<Key<Upstream>> {
    None
}
