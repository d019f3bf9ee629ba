//! What waits for one subscription, and how that ends.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;

use polysock_protocols::{Close, SharedMessage};

use super::flush_queue::FlushQueue;
use super::queue::{Overflow, Queue};
use crate::telemetry::Losses;
use crate::transport::SharedWriter;

/// What a topic knows of a subscription.
pub(super) struct Subscriber {
    pub(super) queue: Queue,
    /// No other of its topic has this number.
    pub(super) serial: u64,
    /// How many messages wait for it: those in `held`, and as many at the end of the log.
    pub(super) messages: usize,
    /// Their bytes.
    bytes: usize,
    /// What was taken out of the log because something newer was missed, or is for it alone.
    held: VecDeque<Arc<SharedMessage>>,
    /// How many messages it has missed.
    pub(super) missed: u64,
    /// Where its connection counts that too.
    told: Option<Arc<AtomicU64>>,
    /// Where nothing that is published from now on is for it.
    pub(super) ending: Option<Ending>,
    /// Its task, while it wants to know of the next message.
    pub(super) waker: Option<Waker>,
    /// Where a flusher may write what is short, while the task has nothing else to do.
    pub(super) writer: Weak<SharedWriter>,
    /// The queue of that flusher.
    pub(super) flush_queue: Option<usize>,
    /// Whether it stands among those that are ready there. It may stand there also where this is
    /// `false`, and is passed over then.
    pub(super) is_ready: bool,
}

/// How a subscription ends before it is dropped.
#[derive(Clone)]
pub(super) enum Ending {
    /// Its queue was full, with [`Overflow::Disconnect`].
    CutOff,
    /// It is closed behind what waits for it.
    Farewell(Arc<Close>),
}

/// A message of the log of a topic.
pub(super) struct Entry {
    pub(super) message: Arc<SharedMessage>,
    /// How many subscribers have yet to take it.
    pub(super) awaited: usize,
}

impl Subscriber {
    /// One for whom nothing waits.
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

    /// Has the newest message of the log, of so many bytes, wait for it too, if there is room.
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

    /// Has a message wait for it alone, if there is room.
    pub(super) fn add_own(
        &mut self,
        message: &Arc<SharedMessage>,
        log: &mut VecDeque<Entry>,
        losses: &mut Losses,
    ) {
        // What waits for it in the log came before.
        self.hold(log);
        self.held.push_back(Arc::clone(message));
        self.messages += 1;
        self.bytes += message.message().as_bytes().len();
        if self.is_over() {
            self.overflow(log, losses);
        }
    }

    /// Puts it among those for whom a flusher is to write.
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

    /// Makes room in the queue, whose newest message has just come.
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

    /// Notes that it misses so many messages.
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

    /// What becomes of the messages for which it has no room.
    pub(super) fn overflows(&self) -> Overflow {
        self.queue.overflow
    }

    /// Has what it misses be counted there too, from the first message on.
    pub(super) fn tell(&mut self, told: Arc<AtomicU64>) {
        told.fetch_add(self.missed, Ordering::Relaxed);
        self.told = Some(told);
    }

    /// Forgets the message that has just come.
    fn drop_newest(&mut self, log: &mut VecDeque<Entry>) {
        self.hold(log);
        if let Some(newest) = self.held.pop_back() {
            self.forget(&newest);
        }
    }

    /// Ends it behind what waits for it, unless it ends already. Its connection's task has to do
    /// that: no flusher closes.
    pub(super) fn close(&mut self, close: &Arc<Close>, queues: &mut [FlushQueue]) {
        if self.ending.is_none() {
            self.ending = Some(Ending::Farewell(Arc::clone(close)));
            self.detach(queues);
        }
    }

    /// Leaves its connection to the connection's own task.
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

    /// Takes everything out of the log.
    fn hold(&mut self, log: &mut VecDeque<Entry>) {
        let logged = self.logged(log).map(Entry::take);
        self.held.extend(logged);
    }

    /// Waits for nothing any more.
    pub(super) fn leave(&mut self, log: &mut VecDeque<Entry>) {
        self.hold(log);
        self.held = VecDeque::new();
        (self.messages, self.bytes) = (0, 0);
    }

    fn forget(&mut self, message: &SharedMessage) {
        self.messages -= 1;
        self.bytes -= message.message().as_bytes().len();
    }

    /// What waits for it in the log.
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
