//! Several servers behind one name.

use std::time::Duration;

use super::balance::{Balance, Balancing};
use super::form::{List, Maybe};
use super::health::{self, Health};
use super::key::{Key, Section};
use super::server::{Server, Servers};
use super::words::{duration, number, optional_duration};

/// Several servers behind one name: an `[upstream.NAME]`, or the `targets` of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upstream {
    pub(crate) targets: Vec<Server>,
    /// Which of them is taken.
    pub(crate) balance: Balance,
    /// How it is found out which of them are up; `None` for what connections show.
    pub(crate) health: Option<Health>,
    /// How long one that has come up gets less than its share.
    pub(crate) slow_start: Option<Duration>,
    /// How many of them are tried for a client.
    pub(crate) attempts: u32,
    /// How long the connections of one that is removed may last; then they are closed.
    pub(crate) drain: Duration,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            balance: Balance::RoundRobin,
            health: None,
            slow_start: None,
            attempts: 3,
            drain: Duration::from_secs(10),
        }
    }
}

/// The keys of an upstream.
pub(super) fn keys() -> Vec<Key<Upstream>> {
    vec![
        Key::new(
            "targets",
            List(Servers),
            |upstream: &mut Upstream| &mut upstream.targets,
            "The servers: URLs, or tables with the share of each.",
        )
        .example("[\"ws://10.0.0.1:9000\", { url = \"ws://10.0.0.2:9000\", weight = 2 }]"),
        Key::new(
            "balance",
            Balancing,
            |upstream| &mut upstream.balance,
            "Which server a client gets: \"round-robin\", \"least-connections\", \"hash-address\", or the same \
             for the same { hash = \"header:NAME\" }, \"cookie:NAME\", \"query:NAME\" or \"address\".",
        ),
        Key::new(
            "health",
            Maybe(Section {
                title: "`health`",
                keys: health::keys,
            }),
            |upstream: &mut Upstream| &mut upstream.health,
            "How servers are looked after. Not given: a server is down for as long as connecting to it has just \
             failed.",
        ),
        Key::new(
            "slow_start",
            optional_duration(),
            |upstream| &mut upstream.slow_start,
            "How long a server that has come up gets less than its share, or \"none\".",
        ),
        Key::new(
            "attempts",
            number(),
            |upstream| &mut upstream.attempts,
            "How many servers are tried for a client before it is told 503.",
        ),
        Key::new(
            "drain",
            duration(),
            |upstream| &mut upstream.drain,
            "The time over which the connections of a removed server are closed.",
        ),
    ]
}
