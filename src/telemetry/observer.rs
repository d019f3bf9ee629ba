//! Who is told of connections as they come and go.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use polysock_protocols::Request;

use super::{ConnectionId, Ending, Refusal, TraceParent, Traffic};

/// Is told of connections as they come and go, on the threads that serve them: it must not wait for anything.
#[allow(unused_variables, reason = "by default nothing is done about it")]
pub trait Observer: Send + Sync + 'static {
    /// An opening handshake was accepted, after this time.
    fn opened(&self, connection: &Described<'_>, request: &Request, took: Duration) {}

    /// An opening handshake or a connection was refused.
    fn refused(&self, refusal: &Refusal) {}

    /// A connection has ended like this, having received and sent this.
    fn closed(&self, connection: &Described<'_>, ending: &Ending, traffic: &Traffic) {}
}

/// What is known of a connection from its opening handshake on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Described<'a> {
    /// What it is called.
    pub id: ConnectionId,
    /// The protocol that it speaks.
    pub protocol: &'static str,
    /// What carries it: see [`OpenConnection::transport`](crate::OpenConnection::transport).
    pub transport: &'static str,
    /// The name of the route that it came by.
    pub route: Option<&'a str>,
    /// Who is at its other end.
    pub peer: Option<&'a str>,
    /// What it has asked for, without secrets.
    pub target: &'a str,
    /// What it is connected to, without secrets.
    pub upstream: Option<&'a str>,
    /// What its client says that it is.
    pub user_agent: Option<&'a str>,
    /// The page that has opened it.
    pub origin: Option<&'a str>,
    /// The trace that its opening handshake is part of.
    pub trace_parent: Option<TraceParent<'a>>,
    /// For how long it is open.
    pub age: Duration,
}

/// All who are told.
#[derive(Default)]
pub(crate) struct Observers {
    all: RwLock<Vec<Arc<dyn Observer>>>,
}

impl Observers {
    /// One more.
    pub(crate) fn add(&self, observer: Arc<dyn Observer>) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.push(observer);
    }

    /// Tells each.
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
