//! The queue of events for the web app: one request at a time, and all events that happen meanwhile
//! in the next.

use std::fmt;
use std::future::pending;

use futures_core::future::BoxFuture;

use super::events::Event;
use super::origin::{Answer, Origin};

/// The size of queued messages at which no further message is read, in bytes.
const ROOM: usize = 200_000;

/// The number of queued events at which no further message is read, as each takes more than its
/// content.
const MOST: usize = 4096;

/// The queued events, and the request in flight.
#[derive(Default)]
pub(super) struct EventQueue {
    waiting: Vec<Event>,
    /// The size of the queued messages, in bytes.
    len: usize,
    under_way: Option<BoxFuture<'static, Answer>>,
}

impl EventQueue {
    /// Appends an event to the queue.
    pub(super) fn push(&mut self, event: Event) {
        self.len = self.len.saturating_add(event.len());
        self.waiting.push(event);
    }

    /// Whether another message may be queued.
    pub(super) fn has_room(&self) -> bool {
        self.len < ROOM && self.waiting.len() < MOST
    }

    /// Whether the queue is empty and no request is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_none() && self.waiting.is_empty()
    }

    /// Sends the queued events, unless a request is in flight.
    pub(super) fn begin(&mut self, origin: &Origin) {
        if self.under_way.is_none() && !self.waiting.is_empty() {
            let events = std::mem::take(&mut self.waiting);
            self.len = 0;
            self.under_way = Some(origin.tell(&events));
        }
    }

    /// Sends a request without events, unless a request is in flight.
    pub(super) fn begin_empty(&mut self, origin: &Origin) {
        if self.under_way.is_none() {
            self.under_way = Some(origin.tell(&[]));
        }
    }

    /// Waits for the response to the request in flight; forever if there is none.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the request stays in flight.
    pub(super) async fn answer(&mut self) -> Answer {
        let Some(under_way) = &mut self.under_way else {
            return pending().await;
        };
        let answer = under_way.await;
        self.under_way = None;
        answer
    }
}

impl fmt::Debug for EventQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns")
            .field("waiting", &self.waiting.len())
            .field("is_under_way", &self.under_way.is_some())
            .finish()
    }
}
