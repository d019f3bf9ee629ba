//! Who was refused last, and why.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::{Address, ConnectionId, TraceParent, head};

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
    /// The head of its request, or the first 8 KiB of that, as it came: with its secrets.
    pub head: Option<Bytes>,
    /// The protocol of a handshake that is valid.
    pub protocol: Option<&'static str>,
    /// What a handshake that is valid has asked for, without secrets.
    pub target: Option<String>,
    /// How long its answer took, where that is known.
    pub took: Option<Duration>,
    pub(crate) trace_parent: Option<Box<str>>,
}

impl Refusal {
    /// One of now.
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

    /// One that is part of this trace, if of any.
    pub(crate) fn within(mut self, parent: Option<TraceParent<'_>>) -> Self {
        self.trace_parent = parent.map(|parent| parent.as_str().into());
        self
    }

    /// No more of what the client has sent than is kept.
    pub(crate) fn shortened(mut self) -> Self {
        self.head = self.head.map(|head| {
            // What is kept does not hold what came behind it.
            Bytes::copy_from_slice(head.get(..HEAD).unwrap_or(&head))
        });
        let long = |target: &String| target.len() > HEAD;
        if let Some(target) = self.target.take_if(|target| long(target)) {
            self.target = Some(target.chars().take(HEAD).collect());
        }
        self
    }

    /// The trace that its request is part of.
    pub fn trace_parent(&self) -> Option<TraceParent<'_>> {
        TraceParent::read(self.trace_parent.as_ref()?.as_bytes())
    }

    /// What the client says that it is.
    pub fn user_agent(&self) -> Option<Cow<'_, str>> {
        let value = head::field(self.head.as_ref()?, "user-agent")?;
        Some(String::from_utf8_lossy(value))
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
        let mut last = self.lock();
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(refusal);
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
