//! What was published and is still awaited, and by whom.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use polysock_protocols::SharedMessage;
use slab::Slab;

use super::{Overflow, Queue};

/// A log and the subscribers for whom it is kept.
#[derive(Default)]
pub(super) struct Topic {
    /// What somebody has yet to take, oldest first.
    log: VecDeque<Entry>,
    subscribers: Slab<Subscriber>,
    /// Empty; kept for its allocation.
    pub(super) wakers: Vec<Waker>,
}

struct Entry {
    message: Arc<SharedMessage>,
    /// How many subscribers have yet to take it.
    awaited: usize,
}

/// What a topic knows of a subscription.
pub(super) struct Subscriber {
    pub(super) queue: Queue,
    /// How many messages wait for it: those in `held`, and as many at the end of the log.
    pub(super) messages: usize,
    /// Their bytes.
    bytes: usize,
    /// What was taken out of the log because something newer was missed.
    held: VecDeque<Arc<SharedMessage>>,
    pub(super) missed: u64,
    is_cut_off: bool,
    /// Its task, while it wants to know of the next message.
    waker: Option<Waker>,
}

/// How a subscription stands after it has taken what there was room for.
pub(super) enum Taken {
    /// More waits.
    Some,
    /// Nothing waits; the task is woken when something does.
    All,
    /// Its queue was full, with [`Overflow::Disconnect`].
    CutOff,
}

impl Topic {
    /// A subscriber for whom nothing waits.
    pub(super) fn insert(&mut self, queue: Queue) -> usize {
        self.subscribers.insert(Subscriber {
            queue,
            messages: 0,
            bytes: 0,
            held: VecDeque::new(),
            missed: 0,
            is_cut_off: false,
            waker: None,
        })
    }

    pub(super) fn remove(&mut self, key: usize) {
        if let Some(mut subscriber) = self.subscribers.try_remove(key) {
            subscriber.leave(&mut self.log);
            self.release();
        }
    }

    /// Appends a message, and collects the tasks that wait for one.
    pub(super) fn push(&mut self, message: Arc<SharedMessage>, wakers: &mut Vec<Waker>) {
        if self.subscribers.is_empty() {
            return;
        }
        let len = message.message().as_bytes().len();
        let awaited = self.subscribers.len();
        self.log.push_back(Entry { message, awaited });
        for (_, subscriber) in &mut self.subscribers {
            subscriber.messages += 1;
            subscriber.bytes += len;
            if subscriber.is_over() {
                subscriber.overflow(&mut self.log);
            }
            wakers.extend(subscriber.waker.take());
        }
        self.release();
    }

    /// Takes what waits for a subscription, up to so many bytes and what goes beyond.
    pub(super) fn take(
        &mut self,
        key: usize,
        room: usize,
        taken: &mut Vec<Arc<SharedMessage>>,
        waker: &Waker,
    ) -> Taken {
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return Taken::All;
        };
        let mut bytes = 0;
        while bytes < room
            && let Some(message) = subscriber.take_oldest(&mut self.log)
        {
            // No protocol frames a message in less.
            bytes += message.message().as_bytes().len() + 2;
            taken.push(message);
        }
        let stands = match (subscriber.is_cut_off, subscriber.messages) {
            (true, _) => Taken::CutOff,
            (false, 0) => Taken::All,
            (false, _) => Taken::Some,
        };
        // One without room is woken by its connection, but for when it is cut off.
        if subscriber.messages == 0 || subscriber.queue.overflow == Overflow::Disconnect {
            let same = |other: &Waker| other.will_wake(waker);
            if !subscriber.waker.as_ref().is_some_and(same) {
                subscriber.waker = Some(waker.clone());
            }
        }
        self.release();
        stands
    }

    pub(super) fn get(&self, key: usize) -> Option<&Subscriber> {
        self.subscribers.get(key)
    }

    /// How many subscribers there are.
    pub(super) fn len(&self) -> usize {
        self.subscribers.len()
    }

    /// How many messages are kept.
    pub(super) fn kept(&self) -> usize {
        self.log.len()
    }

    /// Forgets what everybody has taken.
    fn release(&mut self) {
        while self.log.front().is_some_and(|entry| entry.awaited == 0) {
            self.log.pop_front();
        }
    }
}

impl Subscriber {
    fn is_over(&self) -> bool {
        let full = self.messages > self.queue.messages || self.bytes > self.queue.bytes;
        (full && self.messages > 1) || self.is_cut_off
    }

    /// Makes room in the queue, whose newest message has just come.
    #[cold]
    fn overflow(&mut self, log: &mut VecDeque<Entry>) {
        match self.queue.overflow {
            Overflow::DropOldest => {
                while self.is_over() && self.take_oldest(log).is_some() {
                    self.missed += 1;
                }
            }
            Overflow::DropNewest => {
                self.hold(log);
                if let Some(newest) = self.held.pop_back() {
                    self.forget(&newest);
                    self.missed += 1;
                }
            }
            Overflow::Disconnect => {
                self.missed += self.messages as u64;
                self.leave(log);
                self.is_cut_off = true;
            }
        }
    }

    fn take_oldest(&mut self, log: &mut VecDeque<Entry>) -> Option<Arc<SharedMessage>> {
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
    fn leave(&mut self, log: &mut VecDeque<Entry>) {
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
