//! Brokers between nodes: clients for Redis and NATS that implement [`polysock::bus`].
//!
//! A [`Link`](polysock::bus::Link) is one connection, which ends when the connection breaks, or
//! when the broker has not answered for ten seconds. The user of the [`Bus`](polysock::bus::Bus)
//! then connects again.
//!
//! Without a [`History`], a message reaches only the nodes that are connected when it is published.
//! With a history, the broker also keeps messages for a while: Redis in one stream for each
//! channel, NATS in one JetStream stream.

#[cfg(any(feature = "nats", feature = "redis"))]
mod liveness;
#[cfg(feature = "nats")]
mod nats;
mod open;
#[cfg(feature = "redis")]
mod redis;
mod settings;
#[cfg(any(feature = "nats", feature = "redis"))]
mod subjects;

#[cfg(feature = "nats")]
pub use self::nats::NatsBus;
pub use self::open::open;
#[cfg(feature = "redis")]
pub use self::redis::RedisBus;
pub use self::settings::{BusSettings, BusUrlError, History, Prefix, PrefixError};
