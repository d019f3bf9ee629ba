//! Brokers between nodes: one connection to Redis or NATS at a time, as [`polysock::bus`] wants it.
//!
//! Whoever is given a [`Bus`](polysock::bus::Bus) of these has it connect again where a connection has broken: a
//! [`Link`](polysock::bus::Link) ends with its connection, or where the broker has not answered for ten seconds.
//!
//! Without a [`History`] what is published reaches those who are there. With one, the broker keeps it for a while too:
//! Redis in a stream for each channel, NATS in one stream of JetStream.

#[cfg(feature = "nats")]
mod nats;
mod open;
#[cfg(any(feature = "nats", feature = "redis"))]
mod pulse;
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
