//! What is known of one client.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::limits::Limits;
use super::message_error::MessageError;
use super::prefixes::Prefixes;
use super::session_id::SessionId;

/// What is known of one client. It knows its topics by their names: topics hold their subscribers.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    /// How many calls are to be answered later.
    waiting: AtomicUsize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
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

    /// The URI that is meant.
    pub(super) fn resolve<'a>(
        &self,
        uri: Cow<'a, str>,
        is_ratchets: bool,
        limits: &Limits,
    ) -> Result<Cow<'a, str>, MessageError> {
        self.known().prefixes.resolve(uri, is_ratchets, limits)
    }

    /// Whether it is subscribed to a topic.
    pub(super) fn is_subscribed(&self, topic: &str) -> bool {
        self.known().subscriptions.contains(topic)
    }

    /// How many topics it is subscribed to.
    pub(super) fn subscriptions(&self) -> usize {
        self.known().subscriptions.len()
    }

    /// Notes a subscription.
    pub(super) fn subscribe(&self, topic: &str) {
        self.known().subscriptions.insert(topic.into());
    }

    /// Forgets a subscription; whether there was one.
    pub(super) fn unsubscribe(&self, topic: &str) -> bool {
        self.known().subscriptions.remove(topic)
    }

    /// Forgets all subscriptions.
    pub(super) fn leave(&self) -> HashSet<Box<str>> {
        std::mem::take(&mut self.known().subscriptions)
    }

    /// How many calls are to be answered later.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Notes that a call is to be answered later.
    pub(super) fn begin_waiting(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a call was answered, which was to be.
    pub(super) fn end_waiting(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // What is known is whole between any two operations, so a panic cannot break it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
