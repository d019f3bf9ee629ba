//! Turns a configuration into a running server: sites, and listeners for their clients.

#[cfg(feature = "tls")]
mod acceptors;
mod auth;
mod bound;
mod bus;
mod controlled;
mod handover;
mod listening;
mod passed;
#[cfg(feature = "grip")]
mod push;
#[cfg(not(feature = "grip"))]
#[path = "without_push.rs"]
mod push;
mod server;
mod session;
mod settings;
mod site;
mod sites;
mod sunsets;
mod taking_over;
mod tls;
mod warnings;
#[cfg(not(feature = "tls"))]
mod without_tls;
#[cfg(feature = "zmq")]
mod zmq;
#[cfg(not(feature = "zmq"))]
#[path = "without_zmq.rs"]
mod zmq;

#[cfg(feature = "tls")]
pub(crate) use self::acceptors::Acceptors;
pub(crate) use self::auth::check_auth;
pub(crate) use self::handover::Successor;
pub(crate) use self::server::{Server, Unserved};
pub(crate) use self::session::check_sessions;
#[cfg(not(feature = "tls"))]
pub(crate) use self::without_tls::Acceptors;
