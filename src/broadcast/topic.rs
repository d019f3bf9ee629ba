//! The published messages that are still queued, and their subscribers.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use polysock_protocols::{Close, Kind, SharedMessage, ShortFrames, WriteBuf};
use slab::Slab;
use tokio::runtime::Id;

use super::flush_queue::{FlushQueue, Work};
use super::queue::{Overflow, Queue};
use super::subscriber::{Ending, Entry, Subscriber};
use crate::telemetry::{Losses, Throttle};
use crate::transport::{Published, SharedWriter};

/// The number of unsent bytes in a connection above which its subscription takes no more messages.
pub(super) const ROOM: usize = 16 * 1024;

/// A log of messages, and its subscribers.
pub(super) struct Topic {
    /// The messages that some subscriber has not taken yet, oldest first.
    log: VecDeque<Entry>,
    subscribers: Slab<Subscriber>,
    flush_queues: Vec<FlushQueue>,
    /// An empty buffer, kept for its allocation.
    pub(super) wakers: Vec<Waker>,
    /// The number of subscribers ever inserted.
    subscribed: u64,
    /// The number of messages missed by all subscribers, including removed ones.
    missed: u64,
    losses: Throttle<Losses>,
}

impl Default for Topic {
    fn default() -> Self {
        Self {
            log: VecDeque::new(),
            subscribers: Slab::new(),
            flush_queues: Vec::new(),
            wakers: Vec::new(),
            subscribed: 0,
            missed: 0,
            losses: Losses::throttle(),
        }
    }
}

/// The address of a subscriber. A later subscriber with the same key has a different address.
#[derive(Clone, Copy)]
pub(super) struct Address {
    key: usize,
    serial: u64,
}

/// The rest for a subscription that has taken as many messages as it had room for.
pub(super) enum Left {
    /// More messages.
    More,
    /// Nothing yet.
    Nothing,
    /// Only the end of the subscription.
    Ending(Ending),
}

/// The part of its queue that the task of a subscription has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The messages for which there was room.
    Some,
    /// All messages.
    All,
    /// All messages, and the end of the subscription.
    End,
}

impl Topic {
    /// Adds a subscriber with an empty queue, and returns its key.
    pub(super) fn insert(&mut self, queue: Queue) -> usize {
        self.subscribed += 1;
        let subscriber = Subscriber::new(queue, self.subscribed);
        self.subscribers.insert(subscriber)
    }

    /// Returns the address of the subscriber with a key.
    pub(super) fn address(&self, key: usize) -> Address {
        let serial = self.get(key).map_or(0, |subscriber| subscriber.serial);
        Address { key, serial }
    }

    fn at(&mut self, address: Address) -> Option<&mut Subscriber> {
        let subscriber = self.subscribers.get_mut(address.key)?;
        (subscriber.serial == address.serial).then_some(subscriber)
    }

    /// Removes a subscriber. Returns a waker for the caller to wake, if any.
    pub(super) fn remove(&mut self, key: usize) -> Option<Waker> {
        let mut subscriber = self.subscribers.try_remove(key)?;
        subscriber.detach(&mut self.flush_queues);
        subscriber.leave(&mut self.log);
        self.release();
        self.idle_flushers().next()
    }

    /// Ends every subscription after its queued messages, and collects the waiting tasks.
    pub(super) fn close_all(&mut self, close: Close, wakers: &mut Vec<Waker>) {
        let close = Arc::new(close);
        for (_, subscriber) in &mut self.subscribers {
            subscriber.close(&close, &mut self.flush_queues);
            wakers.extend(subscriber.waker.take());
        }
        wakers.extend(self.idle_flushers());
    }

    /// Ends one subscription after its queued messages. Returns a waker for the caller to wake, if
    /// any.
    pub(super) fn close(&mut self, key: usize, close: Close) -> Option<Waker> {
        let subscriber = self.subscribers.get_mut(key)?;
        subscriber.close(&Arc::new(close), &mut self.flush_queues);
        self.idle_flushers().next()
    }

    /// The same as [`close`](Self::close), but callable outside the subscription's task, which is
    /// then woken too.
    pub(super) fn close_at(&mut self, address: Address, close: Close) -> [Option<Waker>; 2] {
        let Some(subscriber) = self.at(address) else {
            return [None, None];
        };
        let task = subscriber.waker.take();
        [task, self.close(address.key, close)]
    }

    /// Takes the wakers of the flushers that wait without an attached connection.
    fn idle_flushers(&mut self) -> impl Iterator<Item = Waker> {
        let queues = self.flush_queues.iter_mut();
        let idle = queues.filter(|queue| queue.writers == 0);
        idle.filter_map(|queue| queue.waker.take())
    }

    /// Attaches a subscriber to the flusher of a runtime, which then writes its short messages.
    /// Returns the index of the flusher's queue if the caller must spawn the flusher.
    pub(super) fn attach(
        &mut self,
        key: usize,
        writer: Weak<SharedWriter>,
        runtime: Id,
    ) -> Option<usize> {
        let subscriber = self.subscribers.get_mut(key)?;
        subscriber.detach(&mut self.flush_queues);
        let known = self
            .flush_queues
            .iter()
            .position(|queue| queue.runtime == runtime);
        let at = known.unwrap_or_else(|| {
            self.flush_queues.push(FlushQueue::new(runtime));
            self.flush_queues.len() - 1
        });
        let queue = self.flush_queues.get_mut(at)?;
        queue.writers += 1;
        subscriber.writer = writer;
        subscriber.flush_queue = Some(at);
        // A message since the last look of the subscriber's task has woken only the flusher.
        if subscriber.messages > 0 {
            subscriber.stand_ready(key, queue);
        }
        (!std::mem::replace(&mut queue.is_running, true)).then_some(at)
    }

    /// Detaches a subscriber from its flusher. Returns the waker of the subscriber's task, if that
    /// sleeps.
    pub(super) fn detach(&mut self, key: usize) -> Option<Waker> {
        let subscriber = self.subscribers.get_mut(key)?;
        subscriber.detach(&mut self.flush_queues);
        subscriber.waker.take()
    }

    /// Returns the next step of the task of a flush queue.
    pub(super) fn next_work(&mut self, queue: usize, waker: &Waker) -> Work {
        let Some(queue) = self.flush_queues.get_mut(queue) else {
            return Work::End;
        };
        queue.is_running = queue.writers > 0;
        if !queue.is_running {
            queue.ready.clear();
            return Work::End;
        }
        while let Some(key) = queue.ready.pop_front() {
            if let Some(subscriber) = self.subscribers.get_mut(key)
                && std::mem::take(&mut subscriber.is_ready)
            {
                return Work::Write(key, subscriber.writer.upgrade());
            }
        }
        queue.waker = Some(waker.clone());
        Work::Wait
    }

    /// Takes short messages for a subscriber and frames them, as far as there is room; the flusher
    /// comes back for more. Returns their counts, and `false` if the next message is not short.
    pub(super) fn take_short(
        &mut self,
        key: usize,
        frames: ShortFrames,
        batch: &mut WriteBuf,
    ) -> (Published, bool) {
        let mut published = Published::default();
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return (published, true);
        };
        let mut is_short = true;
        while is_short
            && batch.len() < ROOM
            && let Some(message) = subscriber.oldest(&self.log)
        {
            let (kind, payload) = (message.kind(), message.message().as_bytes());
            is_short = frames.write(kind, payload, batch);
            if is_short {
                published.add(kind == Kind::Text, payload.len());
                subscriber.take_oldest(&mut self.log);
            }
        }
        if is_short && subscriber.messages > 0 {
            let queue = subscriber.flush_queue;
            if let Some(queue) = queue.and_then(|queue| self.flush_queues.get_mut(queue)) {
                subscriber.stand_ready(key, queue);
            }
        }
        self.release();
        (published, is_short)
    }

    /// Appends a message to the log, and collects the tasks that wait for a message.
    pub(super) fn push(&mut self, message: Arc<SharedMessage>, wakers: &mut Vec<Waker>) {
        if self.subscribers.is_empty() {
            return;
        }
        let len = message.message().as_bytes().len();
        let awaited = self.subscribers.len();
        self.log.push_back(Entry { message, awaited });
        let mut losses = Losses::default();
        for (key, subscriber) in &mut self.subscribers {
            subscriber.add_newest(len, &mut self.log, &mut losses);
            let is_open = subscriber.ending.is_none();
            let queue = subscriber.flush_queue.filter(|_| is_open);
            match queue.and_then(|queue| self.flush_queues.get_mut(queue)) {
                Some(queue) => subscriber.stand_ready(key, queue),
                None => wakers.extend(subscriber.waker.take()),
            }
        }
        let queues = self.flush_queues.iter_mut();
        let busy = queues.filter(|queue| !queue.ready.is_empty());
        wakers.extend(busy.filter_map(|queue| queue.waker.take()));
        self.release();
        if losses.messages > 0 {
            self.add_losses(losses);
        }
    }

    /// Queues a message for one subscriber alone. Returns a waker for the caller to wake, if any.
    pub(super) fn push_to(
        &mut self,
        address: Address,
        message: &Arc<SharedMessage>,
    ) -> Option<Waker> {
        let subscriber = self.subscribers.get_mut(address.key)?;
        if subscriber.serial != address.serial {
            return None;
        }
        let mut losses = Losses::default();
        subscriber.add_own(message, &mut self.log, &mut losses);
        let is_open = subscriber.ending.is_none();
        let queue = subscriber.flush_queue.filter(|_| is_open);
        let waker = match queue.and_then(|queue| self.flush_queues.get_mut(queue)) {
            Some(queue) => {
                subscriber.stand_ready(address.key, queue);
                queue.waker.take()
            }
            None => subscriber.waker.take(),
        };
        self.release();
        if losses.messages > 0 {
            self.add_losses(losses);
        }
        waker
    }

    #[cold]
    fn add_losses(&mut self, losses: Losses) {
        self.missed += losses.messages;
        if losses.subscriptions > 0 {
            self.losses.note(|unreported| {
                unreported.subscriptions += losses.subscriptions;
                unreported.messages += losses.messages;
            });
        }
    }

    /// Returns the handling of messages for which a subscriber has no room.
    pub(super) fn overflow(&self, key: usize) -> Option<Overflow> {
        self.get(key).map(Subscriber::overflows)
    }

    /// Counts the messages missed by a subscriber in `told` as well.
    pub(super) fn tell(&mut self, key: usize, told: Arc<AtomicU64>) {
        if let Some(subscriber) = self.subscribers.get_mut(key) {
            subscriber.tell(told);
        }
    }

    /// Returns the number of messages missed by all subscribers.
    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    /// Takes the messages queued for a subscription, up to the first that reaches `room` bytes. New
    /// messages do not wake its task until the task [waits](Self::wait): a message that the task
    /// sends to itself is found at its next poll.
    pub(super) fn take(
        &mut self,
        key: usize,
        room: usize,
        taken: &mut Vec<Arc<SharedMessage>>,
    ) -> Left {
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return Left::Nothing;
        };
        subscriber.detach(&mut self.flush_queues);
        subscriber.waker = None;
        let mut bytes = 0;
        while bytes < room
            && let Some(message) = subscriber.take_oldest(&mut self.log)
        {
            // Every protocol has at least two bytes of framing for a message.
            bytes += message.message().as_bytes().len() + 2;
            taken.push(message);
        }
        let left = match (subscriber.messages, &subscriber.ending) {
            (0, Some(ending)) => Left::Ending(ending.clone()),
            (0, None) => Left::Nothing,
            (_, _) => Left::More,
        };
        self.release();
        left
    }

    /// Registers the task of a subscription to be woken for new messages. Returns `false`, without
    /// registering it, if something has arrived since the task has `seen` its queue.
    pub(super) fn wait(&mut self, key: usize, seen: Seen, waker: &Waker) -> bool {
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return true;
        };
        let ends = subscriber.ending.is_some() && seen != Seen::End;
        let has_more = match seen {
            Seen::Some => ends && subscriber.messages == 0,
            Seen::All | Seen::End => ends || subscriber.messages > 0,
        };
        if has_more {
            return false;
        }
        // A task without room is woken by its connection; only a cut-off needs a wake from here.
        let may_be_cut_off = subscriber.queue.overflow == Overflow::Disconnect;
        if subscriber.ending.is_none() && (seen == Seen::All || may_be_cut_off) {
            subscriber.waker = Some(waker.clone());
        }
        true
    }

    pub(super) fn get(&self, key: usize) -> Option<&Subscriber> {
        self.subscribers.get(key)
    }

    /// Returns the number of subscribers.
    pub(super) fn len(&self) -> usize {
        self.subscribers.len()
    }

    /// Returns the number of messages in the log.
    pub(super) fn kept(&self) -> usize {
        self.log.len()
    }

    /// Removes the messages that all subscribers have taken.
    fn release(&mut self) {
        while self.log.front().is_some_and(|entry| entry.awaited == 0) {
            self.log.pop_front();
        }
    }
}

pub(super) fn lock(topic: &Mutex<Topic>) -> MutexGuard<'_, Topic> {
    // A topic is consistent between any two operations, so a panic cannot break it.
    topic.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use polysock_protocols::Message;
    use tokio::runtime::Handle;

    use super::*;

    /// Creates a topic with one subscriber, which is attached.
    fn attached(queue: Queue) -> (Topic, usize) {
        let mut topic = Topic::default();
        let key = topic.insert(queue);
        attach(&mut topic, key);
        (topic, key)
    }

    fn attach(topic: &mut Topic, key: usize) {
        topic.attach(key, Weak::new(), Handle::current().id());
    }

    fn publish(topic: &mut Topic) {
        let message = SharedMessage::new(Message::from("short"));
        topic.push(Arc::new(message), &mut Vec::new());
    }

    #[tokio::test]
    async fn a_subscriber_is_marked_ready_once_for_many_publications() {
        for messages in [0, 1, 2] {
            for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
                let (mut topic, _) = attached(Queue {
                    messages,
                    overflow,
                    ..Queue::default()
                });
                for _ in 0..1000 {
                    publish(&mut topic);
                }
                let queue = topic.flush_queues.first().unwrap();
                assert_eq!(queue.ready.len(), 1, "{messages} {overflow:?}");
            }
        }
    }

    #[tokio::test]
    async fn messages_published_before_a_subscriber_attaches_again_are_written() {
        let (mut topic, key) = attached(Queue::default());
        // The subscriber's task has found no message and is about to wait.
        publish(&mut topic);
        attach(&mut topic, key);
        let mut work = || topic.next_work(0, Waker::noop());
        assert!(matches!(work(), Work::Write(ready, _) if ready == key));
        assert!(matches!(work(), Work::Wait));
    }

    #[tokio::test]
    async fn a_publication_wakes_no_subscriber_task_that_is_awake() {
        let (mut topic, key) = attached(Queue::default());
        let address = topic.address(key);
        let own = Arc::new(SharedMessage::new(Message::from("own")));
        let (mut taken, mut wakers) = (Vec::new(), Vec::new());
        topic.take(key, ROOM, &mut taken);
        topic.push(Arc::clone(&own), &mut wakers);
        assert!(wakers.is_empty() && topic.push_to(address, &own).is_none());
        // `wait` reports the new messages, the task takes both, and is then woken for the next.
        assert!(!topic.wait(key, Seen::All, Waker::noop()));
        topic.take(key, ROOM, &mut taken);
        assert_eq!(taken.len(), 2);
        assert!(topic.wait(key, Seen::All, Waker::noop()));
        assert!(topic.push_to(address, &own).is_some());
    }

    #[tokio::test]
    async fn a_new_subscriber_in_a_freed_slot_is_not_marked_ready() {
        let (mut topic, key) = attached(Queue::default());
        let other = topic.insert(Queue::default());
        attach(&mut topic, other);
        publish(&mut topic);
        topic.remove(key);
        assert_eq!(topic.insert(Queue::default()), key);
        attach(&mut topic, key);
        let mut work = || topic.next_work(0, Waker::noop());
        assert!(matches!(work(), Work::Write(ready, _) if ready == other));
        assert!(matches!(work(), Work::Wait));
    }
}
