//! Integration with web apps: session look-up, messages by ZeroMQ, and brokers between several
//! nodes.
//!
//! A client that opens a WebSocket has often logged in to a web app before, and includes its cookie
//! in the request. This crate reads the session that belongs to the cookie: sessions of PHP,
//! Symfony, Express and Django, from files and databases, or by asking the app over HTTP.
//! [`SessionProvider`] does so for each client, as a [`Policy`](polysock::Policy) of a site or
//! around an [`Application`](polysock::Application). The application finds a [`Session`] among the
//! extensions of its peer.
//!
//! Sessions are only read: they are not locked, and their lifetime is not extended.
//!
//! `bus` connects nodes to Redis or NATS. A message that is published on one node reaches the
//! others through the broker.
//!
//! A web app that speaks ZeroMQ can publish on [`Channels`](polysock::Channels): see `ZmqSocket`,
//! with the feature `zmq`.
//!
//! # Code map
//!
//! A module imports only from the lines above its own; `tests/tidy.rs` checks it.
//!
//! ```text
//!   throttle     a limit on the rate of log messages
//!   php          PHP's three serializers
//!   values       the values of a session, by path
//!   cookie       cookies, parsed as by the framework that has set them
//!   signature    verification of the signatures of cookies
//!   session      a session, and the trait Sessions for its source
//!   store        stores of session data: files, Redis, memcached, tables of SQLite and PostgreSQL
//!   frameworks   sessions of PHP and Symfony, Express, Django, and those that a web app returns
//!   provider     a policy that looks up the sessions of clients
//!   bus          brokers between nodes: Redis and NATS
//!   zmq          ZeroMQ sockets, on which web apps publish
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod bus;
mod cookie;
mod frameworks;
mod php;
mod provider;
mod session;
mod signature;
mod store;
mod throttle;
mod values;
#[cfg(feature = "zmq")]
mod zmq;

pub use self::frameworks::{
    CookieSessions, DjangoSessions, ExpressSessions, HttpSessions, PhpSessions,
};
pub use self::php::{PhpError, Serializer};
pub use self::provider::SessionProvider;
pub use self::session::{Session, SessionError, SessionKey, Sessions};
#[cfg(feature = "sqlite")]
pub use self::store::Sqlite;
pub use self::store::{Files, Memcached, SavePathError, SessionStore};
#[cfg(feature = "postgres")]
pub use self::store::{Postgres, PostgresUrlError};
#[cfg(feature = "redis")]
pub use self::store::{Redis, RedisUrlError};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use self::store::{SessionTable, TableNameError};
pub use self::values::Values;
#[cfg(feature = "zmq")]
pub use self::zmq::{BoundZmqSocket, ZmqSocket};
