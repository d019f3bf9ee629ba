//! The messages queued for one subscription, and its end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;

use polysock_protocols::{Close, SharedMessage};

use super::flush_queue::FlushQueue;
use super::queue::{Overflow, Queue};
use crate::telemetry::Losses;
use crate::transport::SharedWriter;

/// A topic's record of a subscription.
pub(super) struct Subscriber {
    pub(super) queue: Queue,
    /// A number that is unique in the topic.
    pub(super) serial: u64,
    /// The number of queued messages: those in `held`, and the rest at the end of the log.
    pub(super) messages: usize,
    /// The payload bytes of the queued messages.
    bytes: usize,
    /// Messages taken out of the log because a newer one was missed, or because a message is for
    /// this subscriber alone.
    held: VecDeque<Arc<SharedMessage>>,
    /// The number of missed messages.
    pub(super) missed: u64,
    /// The connection's counter of missed messages. `None` if the connection does not count them.
    told: Option<Arc<AtomicU64>>,
    /// The end of the subscription, after which no published message is queued. `None` while it is
    /// open.
    pub(super) ending: Option<Ending>,
    /// The waker of its task. `None` unless the task waits for the next message.
    pub(super) waker: Option<Waker>,
    /// The writer that a flusher may use for short messages while the task is idle.
    pub(super) writer: Weak<SharedWriter>,
    /// The index of that flusher's queue. `None` while no flusher is attached.
    pub(super) flush_queue: Option<usize>,
    /// Whether the subscriber is ready in that queue. The queue may still contain its key when this
    /// is `false`; the key is then skipped.
    pub(super) is_ready: bool,
}

/// The reason why a subscription ends before it is dropped.
#[derive(Clone)]
pub(super) enum Ending {
    /// The queue was full, with [`Overflow::Disconnect`].
    CutOff,
    /// The subscription is closed after its queued messages.
    Farewell(Arc<Close>),
}

/// A message in the log of a topic.
pub(super) struct Entry {
    pub(super) message: Arc<SharedMessage>,
    /// The number of subscribers that have not taken the message yet.
    pub(super) awaited: usize,
}

impl Subscriber {
    /// Creates a subscriber with an empty queue.
    pub(super) fn new(queue: Queue, serial: u64) -> Self {
        Self {
            queue,
            serial,
            messages: 0,
            bytes: 0,
            held: VecDeque::new(),
            missed: 0,
            told: None,
            ending: None,
            waker: None,
            writer: Weak::new(),
            flush_queue: None,
            is_ready: false,
        }
    }

    /// Queues the newest message of the log, of `len` bytes, if there is room.
    pub(super) fn add_newest(
        &mut self,
        len: usize,
        log: &mut VecDeque<Entry>,
        losses: &mut Losses,
    ) {
        self.messages += 1;
        self.bytes += len;
        if self.is_over() {
            self.overflow(log, losses);
        }
    }

    /// Queues a message for this subscriber alone, if there is room.
    pub(super) fn add_own(
        &mut self,
        message: &Arc<SharedMessage>,
        log: &mut VecDeque<Entry>,
        losses: &mut Losses,
    ) {
        // The messages queued in the log are older than this one.
        self.hold(log);
        self.held.push_back(Arc::clone(message));
        self.messages += 1;
        self.bytes += message.message().as_bytes().len();
        if self.is_over() {
            self.overflow(log, losses);
        }
    }

    /// Marks the subscriber as ready in a flusher's queue.
    pub(super) fn stand_ready(&mut self, key: usize, queue: &mut FlushQueue) {
        if !self.is_ready {
            self.is_ready = true;
            queue.ready.push_back(key);
        }
    }

    fn is_over(&self) -> bool {
        let full = self.messages > self.queue.messages || self.bytes > self.queue.bytes;
        (full && self.messages > 1) || self.ending.is_some()
    }

    /// Handles an overflow caused by the newest message.
    #[cold]
    fn overflow(&mut self, log: &mut VecDeque<Entry>, losses: &mut Losses) {
        match (&self.ending, self.queue.overflow) {
            (Some(Ending::Farewell(_)), _) => self.drop_newest(log),
            (None, Overflow::DropOldest) => {
                let mut count = 0;
                while self.is_over() && self.take_oldest(log).is_some() {
                    count += 1;
                }
                self.miss(count, losses);
            }
            (None, Overflow::DropNewest) => {
                self.drop_newest(log);
                self.miss(1, losses);
            }
            (Some(Ending::CutOff), _) | (None, Overflow::Disconnect) => {
                self.miss(self.messages as u64, losses);
                self.leave(log);
                self.ending = Some(Ending::CutOff);
            }
        }
    }

    /// Counts missed messages.
    fn miss(&mut self, count: u64, losses: &mut Losses) {
        if count == 0 {
            return;
        }
        losses.messages += count;
        losses.subscriptions += u64::from(self.missed == 0);
        self.missed += count;
        if let Some(told) = &self.told {
            told.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Returns the handling of messages for which there is no room.
    pub(super) fn overflows(&self) -> Overflow {
        self.queue.overflow
    }

    /// Counts missed messages in `told` as well, including those missed before.
    pub(super) fn tell(&mut self, told: Arc<AtomicU64>) {
        told.fetch_add(self.missed, Ordering::Relaxed);
        self.told = Some(told);
    }

    /// Discards the newest message.
    fn drop_newest(&mut self, log: &mut VecDeque<Entry>) {
        self.hold(log);
        if let Some(newest) = self.held.pop_back() {
            self.forget(&newest);
        }
    }

    /// Ends the subscription after its queued messages, unless it is ending already. The
    /// connection's own task must do so, as a flusher never closes.
    pub(super) fn close(&mut self, close: &Arc<Close>, queues: &mut [FlushQueue]) {
        if self.ending.is_none() {
            self.ending = Some(Ending::Farewell(Arc::clone(close)));
            self.detach(queues);
        }
    }

    /// Detaches the flusher: from now on only the connection's own task writes.
    pub(super) fn detach(&mut self, queues: &mut [FlushQueue]) {
        if let Some(queue) = self
            .flush_queue
            .take()
            .and_then(|queue| queues.get_mut(queue))
        {
            queue.writers -= 1;
        }
        self.writer = Weak::new();
        self.is_ready = false;
    }

    pub(super) fn oldest<'a>(&'a self, log: &'a VecDeque<Entry>) -> Option<&'a SharedMessage> {
        match self.held.front() {
            Some(message) => Some(message),
            None => {
                let first = log.len().saturating_sub(self.messages);
                log.get(first).map(|entry| &*entry.message)
            }
        }
    }

    pub(super) fn take_oldest(&mut self, log: &mut VecDeque<Entry>) -> Option<Arc<SharedMessage>> {
        let message = match self.held.pop_front() {
            Some(message) => message,
            None => self.logged(log).next()?.take(),
        };
        self.forget(&message);
        Some(message)
    }

    /// Moves the messages queued in the log to `held`.
    fn hold(&mut self, log: &mut VecDeque<Entry>) {
        let logged = self.logged(log).map(Entry::take);
        self.held.extend(logged);
    }

    /// Discards all queued messages.
    pub(super) fn leave(&mut self, log: &mut VecDeque<Entry>) {
        self.hold(log);
        self.held = VecDeque::new();
        (self.messages, self.bytes) = (0, 0);
    }

    fn forget(&mut self, message: &SharedMessage) {
        self.messages -= 1;
        self.bytes -= message.message().as_bytes().len();
    }

    /// Returns the log entries that are queued for this subscriber.
    fn logged<'a>(
        &self,
        log: &'a mut VecDeque<Entry>,
    ) -> impl Iterator<Item = &'a mut Entry> + use<'a> {
        let logged = self.messages.saturating_sub(self.held.len());
        log.range_mut(log.len().saturating_sub(logged)..)
    }
}

impl Entry {
    fn take(&mut self) -> Arc<SharedMessage> {
        self.awaited -= 1;
        Arc::clone(&self.message)
    }
}
