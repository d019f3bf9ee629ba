//! The configuration file: its keys, loading, and error reports.

#[cfg(feature = "auth")]
pub(crate) mod auth;
mod balance;
pub(crate) mod bus;
mod check;
mod check_sessions;
pub(crate) mod client;
pub(crate) mod control;
pub(crate) mod document;
mod environment;
pub(crate) mod exec;
mod form;
#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may panic")]
mod garbage;
mod gates;
pub(crate) mod headers;
mod health;
mod key;
pub(crate) mod listener;
pub(crate) mod load;
mod log;
mod node;
pub(crate) mod policy;
mod problem;
pub(crate) mod process;
pub(crate) mod publish;
mod queue;
mod reader;
mod reference;
pub(crate) mod rewrite;
pub(crate) mod route;
mod schema;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod settings;
mod settings_keys;
mod show;
pub(crate) mod target;
pub(crate) mod tls;
pub(crate) mod upstream;
#[cfg(feature = "tls")]
pub(crate) mod upstream_tls;
mod url;
pub(crate) mod wamp;
mod words;
pub(crate) mod zmq;

pub(crate) use self::document::Config;
pub(crate) use self::reference::reference;
pub(crate) use self::schema::schema;
