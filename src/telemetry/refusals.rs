//! The latest refusals, and their reasons.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::{Address, ConnectionId, TraceParent, head};

/// The number of refusals kept.
const KEPT: usize = 100;

/// The maximum number of bytes kept of a head.
const HEAD: usize = 8 * 1024;

/// An opening handshake or a connection that was refused.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// The time.
    pub at: SystemTime,
    /// The identifier of the connection.
    pub id: ConnectionId,
    /// The address of the peer. `None` if unknown.
    pub peer: Option<String>,
    /// The reason: the label of `polysock_handshakes_refused_total`.
    pub reason: &'static str,
    /// The status of the answer. `None` if the connection was closed without an answer.
    pub status: Option<u16>,
    /// The description, as in the log.
    pub detail: String,
    /// The head of its request, or the first 8 KiB of it, unchanged: secrets are included. `None`
    /// if there is none.
    pub head: Option<Bytes>,
    /// The protocol of a valid handshake. `None` if the handshake is not valid.
    pub protocol: Option<&'static str>,
    /// The target of a valid handshake, without secrets. `None` if the handshake is not valid.
    pub target: Option<String>,
    /// The time until its answer. `None` if unknown.
    pub took: Option<Duration>,
    pub(crate) trace_parent: Option<Box<str>>,
}

impl Refusal {
    /// Creates a refusal at the current time.
    pub(crate) fn new(
        (id, address): (ConnectionId, Option<SocketAddr>),
        reason: &'static str,
        status: u16,
        detail: String,
    ) -> Self {
        Self {
            at: SystemTime::now(),
            id,
            peer: address.map(|address| Address(address).to_string()),
            reason,
            status: Some(status),
            detail,
            head: None,
            protocol: None,
            target: None,
            took: None,
            trace_parent: None,
        }
    }

    /// Sets the trace that the refused request is part of, if any.
    pub(crate) fn within(mut self, parent: Option<TraceParent<'_>>) -> Self {
        self.trace_parent = parent.map(|parent| parent.as_str().into());
        self
    }

    /// Truncates the data of the client to the size that is kept.
    pub(crate) fn shortened(mut self) -> Self {
        self.head = self.head.map(|head| {
            // A copy, so that the bytes received after the head can be freed.
            Bytes::copy_from_slice(head.get(..HEAD).unwrap_or(&head))
        });
        let long = |target: &String| target.len() > HEAD;
        if let Some(target) = self.target.take_if(|target| long(target)) {
            self.target = Some(target.chars().take(HEAD).collect());
        }
        self
    }

    /// Returns the trace that the request is part of, if any.
    pub fn trace_parent(&self) -> Option<TraceParent<'_>> {
        TraceParent::read(self.trace_parent.as_ref()?.as_bytes())
    }

    /// Returns the `User-Agent` of the client. `None` if it sent none.
    pub fn user_agent(&self) -> Option<Cow<'_, str>> {
        let value = head::field(self.head.as_ref()?, "user-agent")?;
        Some(String::from_utf8_lossy(value))
    }
}

/// The latest refusals.
#[derive(Default)]
pub(crate) struct Refusals {
    last: Mutex<VecDeque<Refusal>>,
}

impl Refusals {
    /// Adds a refusal.
    pub(crate) fn push(&self, refusal: Refusal) {
        let mut last = self.lock();
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(refusal);
    }

    /// Returns the kept refusals, newest first.
    pub(crate) fn last(&self) -> Vec<Refusal> {
        self.lock().iter().rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Refusal>> {
        // The list is consistent between any two operations, so a panic cannot break it.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusals").finish_non_exhaustive()
    }
}
