//! Who was refused last, and why.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use super::{Address, ConnectionId};

/// How many are known.
const KEPT: usize = 100;

/// How much of a head is kept.
const HEAD: usize = 8 * 1024;

/// An opening handshake or a connection that was refused.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// When.
    pub at: SystemTime,
    /// What the connection was called.
    pub id: ConnectionId,
    /// From where it came.
    pub peer: Option<String>,
    /// For what reason: the label of `polysock_handshakes_refused_total`.
    pub reason: &'static str,
    /// The status that it was answered with; `None` where it was closed without an answer.
    pub status: Option<u16>,
    /// What the log says.
    pub detail: String,
    /// The head of its request, or the beginning of that, as it came: with its secrets.
    pub head: Option<Bytes>,
}

impl Refusal {
    /// One of now.
    pub(crate) fn new(
        (id, address): (ConnectionId, Option<SocketAddr>),
        reason: &'static str,
        status: u16,
        detail: String,
        head: Option<Bytes>,
    ) -> Self {
        Self {
            at: SystemTime::now(),
            id,
            peer: address.map(|address| Address(address).to_string()),
            reason,
            status: Some(status),
            detail,
            head,
        }
    }
}

/// Those that were refused last.
#[derive(Default)]
pub(crate) struct Refusals {
    last: Mutex<VecDeque<Refusal>>,
}

impl Refusals {
    /// One more.
    pub(crate) fn push(&self, refusal: Refusal) {
        let head = refusal.head.map(|head| match head.get(..HEAD) {
            // What is kept does not hold what came behind it.
            Some(begin) => Bytes::copy_from_slice(begin),
            None => Bytes::copy_from_slice(&head),
        });
        let mut last = self.lock();
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(Refusal { head, ..refusal });
    }

    /// Those that are known, the newest first.
    pub(crate) fn last(&self) -> Vec<Refusal> {
        self.lock().iter().rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Refusal>> {
        // The list is whole between any two of its operations, so a panic cannot break it.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusals").finish_non_exhaustive()
    }
}
