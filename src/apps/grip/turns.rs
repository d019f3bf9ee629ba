//! What waits for the web app: one request at a time, and what comes meanwhile together in the next.

use std::fmt;
use std::future::pending;

use futures_core::future::BoxFuture;

use super::events::Event;
use super::origin::{Answer, Origin};

/// How much of messages may wait, in bytes.
const ROOM: usize = 200_000;

/// How many may wait: each takes more than its content.
const MOST: usize = 4096;

/// What waits, and the request that is under way.
#[derive(Default)]
pub(super) struct Turns {
    waiting: Vec<Event>,
    /// How much of messages that has.
    len: usize,
    under_way: Option<BoxFuture<'static, Answer>>,
}

impl Turns {
    /// Puts an event behind those that wait.
    pub(super) fn push(&mut self, event: Event) {
        self.len = self.len.saturating_add(event.len());
        self.waiting.push(event);
    }

    /// Whether another message may wait.
    pub(super) fn has_room(&self) -> bool {
        self.len < ROOM && self.waiting.len() < MOST
    }

    /// Whether nothing waits, and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_none() && self.waiting.is_empty()
    }

    /// Sends what waits, unless something is under way.
    pub(super) fn begin(&mut self, origin: &Origin) {
        if self.under_way.is_none() && !self.waiting.is_empty() {
            let events = std::mem::take(&mut self.waiting);
            self.len = 0;
            self.under_way = Some(origin.tell(&events));
        }
    }

    /// Sends a request without events, where none is under way.
    pub(super) fn begin_empty(&mut self, origin: &Origin) {
        if self.under_way.is_none() {
            self.under_way = Some(origin.tell(&[]));
        }
    }

    /// Waits for the answer to what is under way, for ever where nothing is.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it stays under way.
    pub(super) async fn answer(&mut self) -> Answer {
        let Some(under_way) = &mut self.under_way else {
            return pending().await;
        };
        let answer = under_way.await;
        self.under_way = None;
        answer
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns")
            .field("waiting", &self.waiting.len())
            .field("is_under_way", &self.under_way.is_some())
            .finish()
    }
}
