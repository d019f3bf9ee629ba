//! Sessions of web apps, and brokers between nodes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[cfg(all(feature = "nats", feature = "redis"))]
mod brokers;
#[cfg(all(feature = "nats", feature = "redis"))]
mod bus;
#[cfg(all(feature = "nats", feature = "redis"))]
mod bus_ends;
mod files;
mod frameworks;
mod peers;
mod php;
mod php_properties;
mod provider;
#[cfg(feature = "redis")]
mod site;
mod stores;
#[cfg(feature = "sqlite")]
mod tables;
#[cfg(feature = "zmq")]
mod zmq;

use hyper::Request;
use polysock::{Peer, Visitor};
use polysock_web::{SessionError, SessionKey, Sessions, Values};

/// Returns the session key of a client that sends this cookie.
fn key(sessions: &dyn Sessions, cookie: &str) -> Option<SessionKey> {
    let request = Request::get("/").header("cookie", cookie).body(()).unwrap();
    sessions.key(Visitor::of_request(&request, &Peer::default()))
}

/// Returns the session of a client that sends this cookie.
async fn find(sessions: &dyn Sessions, cookie: &str) -> Result<Option<Values>, SessionError> {
    match key(sessions, cookie) {
        Some(key) => sessions.read(&key).await,
        None => Ok(None),
    }
}
