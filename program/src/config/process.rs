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
            "The number of worker threads. Default: the number of cores.",
        )
        .example("4"),
        Key::new(
            "max_memory",
            Maybe(size()),
            |process: &mut Process| &mut process.max_memory,
            "The memory limit of all connections together. Default: a quarter of the memory of the machine or its \
             cgroup.",
        )
        .example("\"1GiB\""),
        Key::new(
            "max_connections",
            Maybe(count()),
            |process: &mut Process| &mut process.max_connections,
            "The maximum number of connections, or \"none\". Default: the number that the limit of file descriptors \
             allows.",
        )
        .example("10000"),
        Key::new(
            "max_connections_per_address",
            count(),
            |process| &mut process.max_connections_per_address,
            "The maximum number of connections from one address, or one /64 of IPv6, or \"none\". Connections from \
             this machine are not counted.",
        ),
        Key::new(
            "max_handshakes",
            Maybe(count()),
            |process: &mut Process| &mut process.max_handshakes,
            "The maximum number of connections whose first request is incomplete, or \"none\". The next connection \
             displaces the oldest of them. Default: half of max_connections.",
        )
        .example("5000"),
        Key::new(
            "max_connections_per_second",
            rate_of(),
            |process: &mut Process| &mut process.rates.connections,
            "The maximum number of new connections per second, or \"none\". One second's worth may arrive together. \
             Further clients receive 429, or are closed if they begin with TLS.",
        ),
        Key::new(
            "max_connections_per_second_per_address",
            rate_of(),
            |process| &mut process.rates.connections_per_address,
            "The maximum number of new connections per second from one address, or one /64 of IPv6, or \"none\". \
             Connections from this machine are not counted.",
        ),
        Key::new(
            "max_handshakes_per_second",
            rate_of(),
            |process| &mut process.rates.handshakes,
            "The maximum number of WebSocket opening handshakes per second, or \"none\". Further clients receive 429.",
        ),
        Key::new(
            "max_handshakes_per_second_per_address",
            rate_of(),
            |process| &mut process.rates.handshakes_per_address,
            "The maximum number of WebSocket opening handshakes per second from one address, or one /64 of IPv6, or \
             \"none\". Handshakes from this machine are not counted.",
        ),
        Key::new(
            "max_messages_per_second_per_address",
            rate_of(),
            |process| &mut process.rates.messages_per_address,
            "The maximum number of messages per second from one address, or one /64 of IPv6, over all of its \
             connections, or \"none\". A connection that exceeds it is closed with 1008. Messages from this machine \
             are not counted.",
        ),
        Key::new(
            "shutdown_timeout",
            duration(),
            |process| &mut process.shutdown_timeout,
            "The time that connections have to close at shutdown, before they are cut.",
        ),
        Key::new(
            "shutdown_drain",
            zero_duration(),
            |process| &mut process.shutdown_drain,
            "The time over which the closing of connections is spread at shutdown, or \"none\" to close all of them \
             together. It must be shorter than shutdown_timeout.",
        ),
        Key::new(
            "pid_file",
            Maybe(Place),
            |process: &mut Process| &mut process.pid_file,
            "The file to which the process ID is written. `polysock reload` reads it. Default: no file.",
        )
        .example("\"/run/polysock.pid\""),
        Key::new(
            "handover",
            Maybe(Place),
            |process: &mut Process| &mut process.handover,
            "The Unix socket through which the next server takes over the listeners of this one, and through which \
             this one has taken over those of its predecessor. Default: no handover.",
        )
        .example("\"/run/polysock/handover\""),
        Key::new("log", LOG, |process| &mut process.log, "The settings of the log."),
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
