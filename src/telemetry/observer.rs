//! Observers of opened, refused and closed connections.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use polysock_protocols::Request;

use super::{ConnectionId, Ending, Refusal, TraceParent, Traffic};

/// An observer of connections, called on the threads that serve them. Its methods must not block.
#[allow(unused_variables, reason = "by default nothing is done about it")]
pub trait Observer: Send + Sync + 'static {
    /// Called when an opening handshake was accepted. `took` is the time that it took.
    fn opened(&self, connection: &Described<'_>, request: &Request, took: Duration) {}

    /// Called when an opening handshake or a connection was refused.
    fn refused(&self, refusal: &Refusal) {}

    /// Called when a connection has ended, with its ending and its traffic.
    fn closed(&self, connection: &Described<'_>, ending: &Ending, traffic: &Traffic) {}
}

/// The facts about a connection that are known from its opening handshake on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Described<'a> {
    /// The identifier of the connection.
    pub id: ConnectionId,
    /// The protocol.
    pub protocol: &'static str,
    /// The transport: see [`OpenConnection::transport`](crate::OpenConnection::transport).
    pub transport: &'static str,
    /// The name of its route. `None` if it has none.
    pub route: Option<&'a str>,
    /// The address of the peer. `None` if unknown.
    pub peer: Option<&'a str>,
    /// The target of its request, without secrets.
    pub target: &'a str,
    /// The upstream to which it is connected, without secrets. `None` without one.
    pub upstream: Option<&'a str>,
    /// The `User-Agent` of the client, if it sent any.
    pub user_agent: Option<&'a str>,
    /// The origin of the page that opened it, if the client sent any.
    pub origin: Option<&'a str>,
    /// The trace that its opening handshake is part of, if any.
    pub trace_parent: Option<TraceParent<'a>>,
    /// The time since it was opened.
    pub age: Duration,
}

/// The registered observers.
#[derive(Default)]
pub(crate) struct Observers {
    all: RwLock<Vec<Arc<dyn Observer>>>,
}

impl Observers {
    /// Adds an observer.
    pub(crate) fn add(&self, observer: Arc<dyn Observer>) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.push(observer);
    }

    /// Calls `told` with each observer.
    pub(crate) fn tell(&self, told: impl Fn(&dyn Observer)) {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        for observer in &*all {
            told(&**observer);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers").finish_non_exhaustive()
    }
}
