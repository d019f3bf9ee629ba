//! What was published and is still awaited, and by whom.

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

/// With this much waiting to go out of its connection, a subscription takes no more.
pub(super) const ROOM: usize = 16 * 1024;

/// A log and the subscribers for whom it is kept.
pub(super) struct Topic {
    /// What somebody has yet to take, oldest first.
    log: VecDeque<Entry>,
    subscribers: Slab<Subscriber>,
    flush_queues: Vec<FlushQueue>,
    /// Empty; kept for its allocation.
    pub(super) wakers: Vec<Waker>,
    /// How many subscribers there have been.
    subscribed: u64,
    /// How many messages all its subscribers have missed, those that have gone as well.
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

/// Where a subscriber stands. Another that comes after it, to the same place, has another one.
#[derive(Clone, Copy)]
pub(super) struct Address {
    key: usize,
    serial: u64,
}

/// What is left for a subscription that has taken what there was room for.
pub(super) enum Left {
    /// More messages.
    More,
    /// Nothing; the task is woken when something comes.
    Nothing,
    /// Only its end.
    Ending(Ending),
}

/// What the task of a subscription has seen of what waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// What there was room for.
    Some,
    /// All.
    All,
    /// All, and its end.
    End,
}

impl Topic {
    /// A subscriber for whom nothing waits.
    pub(super) fn insert(&mut self, queue: Queue) -> usize {
        self.subscribed += 1;
        let subscriber = Subscriber::new(queue, self.subscribed);
        self.subscribers.insert(subscriber)
    }

    /// Where the subscriber of a key stands.
    pub(super) fn address(&self, key: usize) -> Address {
        let serial = self.get(key).map_or(0, |subscriber| subscriber.serial);
        Address { key, serial }
    }

    fn at(&mut self, address: Address) -> Option<&mut Subscriber> {
        let subscriber = self.subscribers.get_mut(address.key)?;
        (subscriber.serial == address.serial).then_some(subscriber)
    }

    /// Forgets a subscriber; also returns whom to wake for it.
    pub(super) fn remove(&mut self, key: usize) -> Option<Waker> {
        let mut subscriber = self.subscribers.try_remove(key)?;
        subscriber.detach(&mut self.flush_queues);
        subscriber.leave(&mut self.log);
        self.release();
        self.idle_flushers().next()
    }

    /// Ends every subscription, each behind what waits for it; collects the tasks that wait.
    pub(super) fn close_all(&mut self, close: Close, wakers: &mut Vec<Waker>) {
        let close = Arc::new(close);
        for (_, subscriber) in &mut self.subscribers {
            subscriber.close(&close, &mut self.flush_queues);
            wakers.extend(subscriber.waker.take());
        }
        wakers.extend(self.idle_flushers());
    }

    /// Ends one subscription behind what waits for it; also returns whom to wake for it.
    pub(super) fn close(&mut self, key: usize, close: Close) -> Option<Waker> {
        let subscriber = self.subscribers.get_mut(key)?;
        subscriber.close(&Arc::new(close), &mut self.flush_queues);
        self.idle_flushers().next()
    }

    /// As [`close`](Self::close), for somebody who is not the subscription's task: that is woken too.
    pub(super) fn close_at(&mut self, address: Address, close: Close) -> [Option<Waker>; 2] {
        let Some(subscriber) = self.at(address) else {
            return [None, None];
        };
        let task = subscriber.waker.take();
        [task, self.close(address.key, close)]
    }

    /// The flushers that wait although no connection is attached to them any more.
    fn idle_flushers(&mut self) -> impl Iterator<Item = Waker> {
        let queues = self.flush_queues.iter_mut();
        let idle = queues.filter(|queue| queue.writers == 0);
        idle.filter_map(|queue| queue.waker.take())
    }

    /// Has the flusher of this runtime write what is short to a subscriber; its queue, where that
    /// has no flusher yet.
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
        // What came since its task has looked has woken the flusher already, and nobody else.
        if subscriber.messages > 0 {
            subscriber.stand_ready(key, queue);
        }
        (!std::mem::replace(&mut queue.is_running, true)).then_some(at)
    }

    /// Leaves a subscriber to its task again; whom to wake, should it sleep.
    pub(super) fn detach(&mut self, key: usize) -> Option<Waker> {
        let subscriber = self.subscribers.get_mut(key)?;
        subscriber.detach(&mut self.flush_queues);
        subscriber.waker.take()
    }

    /// What the task of a flush queue is to do next.
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

    /// Takes short messages for a subscriber, framed, as far as there is room; the flusher comes
    /// back for more. What they are, and `false` where the next is not short.
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

    /// Appends a message, and collects the tasks that wait for one.
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

    /// Has a message wait for one subscriber alone; also returns whom to wake for it.
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
            self.losses.note(|untold| {
                untold.subscriptions += losses.subscriptions;
                untold.messages += losses.messages;
            });
        }
    }

    /// What becomes of the messages for which a subscriber has no room.
    pub(super) fn overflow(&self, key: usize) -> Option<Overflow> {
        self.get(key).map(Subscriber::overflows)
    }

    /// Has what a subscriber misses be counted there too.
    pub(super) fn tell(&mut self, key: usize, told: Arc<AtomicU64>) {
        if let Some(subscriber) = self.subscribers.get_mut(key) {
            subscriber.tell(told);
        }
    }

    /// How many messages all its subscribers have missed.
    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    /// Takes what waits for a subscription, up to so many bytes and what goes beyond. Nobody is woken for
    /// what comes, until its task [waits](Self::wait): what that sends to itself it finds at its next turn.
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
            // No protocol frames a message in less.
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

    /// Has the task of a subscription be woken for what comes, unless something has come since it has
    /// looked, and seen this; whether it is to be.
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
        // One without room is woken by its connection, but for when it is cut off.
        let may_be_cut_off = subscriber.queue.overflow == Overflow::Disconnect;
        if subscriber.ending.is_none() && (seen == Seen::All || may_be_cut_off) {
            subscriber.waker = Some(waker.clone());
        }
        true
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

pub(super) fn lock(topic: &Mutex<Topic>) -> MutexGuard<'_, Topic> {
    // A topic is whole between any two operations, so a panic cannot break it.
    topic.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use polysock_protocols::Message;
    use tokio::runtime::Handle;

    use super::*;

    /// A topic with one subscriber, which is attached.
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
    async fn a_subscriber_is_ready_once_however_much_is_published() {
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
    async fn what_comes_before_a_subscriber_is_attached_anew_is_written() {
        let (mut topic, key) = attached(Queue::default());
        // Its task has found nothing, and is about to wait.
        publish(&mut topic);
        attach(&mut topic, key);
        let mut work = || topic.next_work(0, Waker::noop());
        assert!(matches!(work(), Work::Write(ready, _) if ready == key));
        assert!(matches!(work(), Work::Wait));
    }

    #[tokio::test]
    async fn nobody_is_woken_for_a_subscriber_whose_task_is_awake() {
        let (mut topic, key) = attached(Queue::default());
        let address = topic.address(key);
        let own = Arc::new(SharedMessage::new(Message::from("own")));
        let (mut taken, mut wakers) = (Vec::new(), Vec::new());
        topic.take(key, ROOM, &mut taken);
        topic.push(Arc::clone(&own), &mut wakers);
        assert!(wakers.is_empty() && topic.push_to(address, &own).is_none());
        // It is told that there is more, and has both; then it is woken for the next.
        assert!(!topic.wait(key, Seen::All, Waker::noop()));
        topic.take(key, ROOM, &mut taken);
        assert_eq!(taken.len(), 2);
        assert!(topic.wait(key, Seen::All, Waker::noop()));
        assert!(topic.push_to(address, &own).is_some());
    }

    #[tokio::test]
    async fn who_takes_the_place_of_one_that_left_is_not_ready_for_it() {
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
