//! The settings of the whole process.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use polysock::RateLimits;
use serde_json::json;

use super::form::{Maybe, Word, quoted};
use super::key::Key;
use super::log::LOG;
use super::words::{Place, count, duration, size, threads, zero_duration};
use crate::flags::values;
use crate::log::Settings;

/// The settings of the whole process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// The number of worker threads; `None` for the number of cores.
    pub(crate) workers: Option<NonZeroUsize>,
    /// The memory that all connections may hold, in bytes; `None` for a quarter of the available
    /// memory.
    pub(crate) max_memory: Option<u64>,
    /// The most connections; `None` for the number that the descriptors suffice for.
    pub(crate) max_connections: Option<usize>,
    /// The most connections from one address.
    pub(crate) max_connections_per_address: usize,
    /// The most connections before their first request; `None` for half of all.
    pub(crate) max_handshakes: Option<usize>,
    /// The rate limits.
    pub(crate) rates: RateLimits,
    /// The time that connections have to close at shutdown.
    pub(crate) shutdown_timeout: Duration,
    /// The time over which the closing of connections is spread.
    pub(crate) shutdown_drain: Duration,
    /// The file to which the process ID is written.
    pub(crate) pid_file: Option<PathBuf>,
    /// The Unix socket for the takeover by the next server.
    pub(crate) handover: Option<PathBuf>,
    /// The settings of the log.
    pub(crate) log: Settings,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            workers: None,
            max_memory: None,
            max_connections: None,
            max_connections_per_address: usize::MAX,
            max_handshakes: None,
            rates: RateLimits::default(),
            shutdown_timeout: Duration::from_secs(10),
            shutdown_drain: Duration::ZERO,
            pid_file: None,
            handover: None,
            log: Settings::default(),
        }
    }
}

/// The keys of the process, which come before all tables.
pub(super) fn keys() -> Vec<Key<Process>> {
    vec![
        Key::new(
            "workers",
            Maybe(threads()),
            |process: &mut Process| &mut process.workers,
            "How many threads serve. Not given: the number of cores.",
        )
        .example("4"),
        Key::new(
            "max_memory",
            Maybe(size()),
            |process: &mut Process| &mut process.max_memory,
            "The memory that all connections together may hold. Not given: a quarter of what the machine or its \
             cgroup has.",
        )
        .example("\"1GiB\""),
        Key::new(
            "max_connections",
            Maybe(count()),
            |process: &mut Process| &mut process.max_connections,
            "The most connections, or \"none\". Not given: what there are descriptors for.",
        )
        .example("10000"),
        Key::new(
            "max_connections_per_address",
            count(),
            |process| &mut process.max_connections_per_address,
            "The most connections from one address, or one /64 of IPv6. This machine's are not counted.",
        ),
        Key::new(
            "max_handshakes",
            Maybe(count()),
            |process: &mut Process| &mut process.max_handshakes,
            "The most connections whose first request has not come yet. Not given: half of max_connections.",
        )
        .example("5000"),
        Key::new(
            "max_connections_per_second",
            rate_of(),
            |process: &mut Process| &mut process.rates.connections,
            "The most connections within a second, or \"none\". The next are told 429; those that begin with TLS are \
             closed. A second's worth may come at once.",
        ),
        Key::new(
            "max_connections_per_second_per_address",
            rate_of(),
            |process| &mut process.rates.connections_per_address,
            "The most of them from one address, or one /64 of IPv6. This machine's are not counted.",
        ),
        Key::new(
            "max_handshakes_per_second",
            rate_of(),
            |process| &mut process.rates.handshakes,
            "The most opening handshakes of WebSockets within a second, or \"none\". The next are told 429.",
        ),
        Key::new(
            "max_handshakes_per_second_per_address",
            rate_of(),
            |process| &mut process.rates.handshakes_per_address,
            "The most of them from one address, or one /64 of IPv6. This machine's are not counted.",
        ),
        Key::new(
            "max_messages_per_second_per_address",
            rate_of(),
            |process| &mut process.rates.messages_per_address,
            "The most messages within a second from one address, or one /64 of IPv6, over all of its connections, or \
             \"none\". The one that goes over it is closed (1008). This machine's are not counted.",
        ),
        Key::new(
            "shutdown_timeout",
            duration(),
            |process| &mut process.shutdown_timeout,
            "How long connections may take to close at the end, before they are cut.",
        ),
        Key::new(
            "shutdown_drain",
            zero_duration(),
            |process| &mut process.shutdown_drain,
            "The time over which they are asked to, one after the other, or \"none\" for all at once. Shorter than \
             shutdown_timeout.",
        ),
        Key::new(
            "pid_file",
            Maybe(Place),
            |process: &mut Process| &mut process.pid_file,
            "A file for the number of the process, which `polysock reload` reads.",
        )
        .example("\"/run/polysock.pid\""),
        Key::new(
            "handover",
            Maybe(Place),
            |process: &mut Process| &mut process.handover,
            "A Unix socket by which the next server takes the listeners over, and this one from the one before.",
        )
        .example("\"/run/polysock/handover\""),
        Key::new("log", LOG, |process| &mut process.log, "The log."),
    ]
}

/// The form of a rate: a number from 1 on, or `none`.
fn rate_of() -> Word<Option<NonZeroU32>> {
    Word {
        read: |text| values::optional_count(text).map(NonZeroU32::new),
        write: |rate| Some(rate.map_or_else(|| quoted("none"), |rate| rate.to_string())),
        schema: || json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string" }] }),
    }
}
