//! The state of a client.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::limits::Limits;
use super::message_error::MessageError;
use super::prefixes::Prefixes;
use super::session_id::SessionId;

/// The state of a client. It contains only the names of topics, because topics hold their
/// subscribers.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    /// The number of calls that are to be answered later.
    waiting: AtomicUsize,
    known: Mutex<SessionState>,
}

#[derive(Debug, Default)]
struct SessionState {
    prefixes: Prefixes,
    subscriptions: HashSet<Box<str>>,
}

impl Session {
    pub(super) fn new(id: SessionId) -> Self {
        Self {
            id,
            waiting: AtomicUsize::new(0),
            known: Mutex::default(),
        }
    }

    /// Defines a prefix.
    pub(super) fn define(
        &self,
        prefix: &str,
        uri: &str,
        limits: &Limits,
    ) -> Result<(), MessageError> {
        self.known().prefixes.define(prefix, uri, limits)
    }

    /// Resolves the prefix of a URI.
    pub(super) fn resolve<'a>(
        &self,
        uri: Cow<'a, str>,
        inserts_hash: bool,
        limits: &Limits,
    ) -> Result<Cow<'a, str>, MessageError> {
        self.known().prefixes.resolve(uri, inserts_hash, limits)
    }

    /// Whether the client is subscribed to a topic.
    pub(super) fn is_subscribed(&self, topic: &str) -> bool {
        self.known().subscriptions.contains(topic)
    }

    /// Returns the number of subscriptions.
    pub(super) fn subscriptions(&self) -> usize {
        self.known().subscriptions.len()
    }

    /// Adds a subscription.
    pub(super) fn subscribe(&self, topic: &str) {
        self.known().subscriptions.insert(topic.into());
    }

    /// Removes a subscription. Returns true if there was one.
    pub(super) fn unsubscribe(&self, topic: &str) -> bool {
        self.known().subscriptions.remove(topic)
    }

    /// Removes all subscriptions, and returns them.
    pub(super) fn leave(&self) -> HashSet<Box<str>> {
        std::mem::take(&mut self.known().subscriptions)
    }

    /// Returns the number of calls that are to be answered later.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Counts a call that is to be answered later.
    pub(super) fn begin_waiting(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Removes an answered call from the count.
    pub(super) fn end_waiting(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    fn known(&self) -> MutexGuard<'_, SessionState> {
        // Each operation leaves the state consistent, so a panic cannot break it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
