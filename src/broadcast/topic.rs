//! What was published and is still awaited, and by whom.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::task::Waker;

use polysock_protocols::{SharedMessage, ShortFrames, WriteBuf};
use slab::Slab;
use tokio::runtime::Id;

use super::{Overflow, Queue, ROOM};
use crate::outlet::Outlet;

/// A log and the subscribers for whom it is kept.
#[derive(Default)]
pub(super) struct Topic {
    /// What somebody has yet to take, oldest first.
    log: VecDeque<Entry>,
    subscribers: Slab<Subscriber>,
    posts: Vec<Post>,
    /// Empty; kept for its allocation.
    pub(super) wakers: Vec<Waker>,
}

struct Entry {
    message: Arc<SharedMessage>,
    /// How many subscribers have yet to take it.
    awaited: usize,
}

/// Where one task writes to those who have lent it their sockets.
struct Post {
    runtime: Id,
    /// Whether the task is there.
    is_manned: bool,
    /// How many have lent it something.
    lenders: usize,
    /// Those for whom something has come.
    due: VecDeque<usize>,
    /// The task, while nothing is due.
    waker: Option<Waker>,
}

/// What a post is to do.
pub(super) enum Due {
    Subscriber(usize),
    Nobody,
    /// Nobody lends it anything any more.
    Over,
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
    /// Where a post may write what is short, while the task has nothing else to do.
    outlet: Weak<Outlet>,
    /// The post that does.
    post: Option<usize>,
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
            outlet: Weak::new(),
            post: None,
        })
    }

    /// Forgets a subscriber; also returns whom to wake for it.
    pub(super) fn remove(&mut self, key: usize) -> Option<Waker> {
        let mut subscriber = self.subscribers.try_remove(key)?;
        subscriber.recall(&mut self.posts);
        subscriber.leave(&mut self.log);
        self.release();
        let mut over = self.posts.iter_mut().filter(|post| post.lenders == 0);
        over.find_map(|post| post.waker.take())
    }

    /// Has a post of this runtime write what is short to a subscriber; the post, if it has no task
    /// yet.
    pub(super) fn lend(&mut self, key: usize, outlet: Weak<Outlet>, runtime: Id) -> Option<usize> {
        let subscriber = self.subscribers.get_mut(key)?;
        subscriber.recall(&mut self.posts);
        let known = self.posts.iter().position(|post| post.runtime == runtime);
        let at = known.unwrap_or_else(|| {
            self.posts.push(Post::new(runtime));
            self.posts.len() - 1
        });
        let post = self.posts.get_mut(at)?;
        post.lenders += 1;
        subscriber.outlet = outlet;
        subscriber.post = Some(at);
        (!std::mem::replace(&mut post.is_manned, true)).then_some(at)
    }

    /// Leaves a subscriber to its task again; whom to wake, should it sleep.
    pub(super) fn recall(&mut self, key: usize) -> Option<Waker> {
        let subscriber = self.subscribers.get_mut(key)?;
        subscriber.recall(&mut self.posts);
        subscriber.waker.take()
    }

    /// For whom a post is to write next.
    pub(super) fn next_due(&mut self, post: usize, waker: &Waker) -> Due {
        let Some(post) = self.posts.get_mut(post) else {
            return Due::Over;
        };
        post.is_manned = post.lenders > 0;
        match post.due.pop_front() {
            _ if !post.is_manned => Due::Over,
            Some(key) => Due::Subscriber(key),
            None => {
                post.waker = Some(waker.clone());
                Due::Nobody
            }
        }
    }

    /// Where a post writes to a subscriber.
    pub(super) fn outlet(&self, key: usize) -> Option<Arc<Outlet>> {
        self.subscribers.get(key)?.outlet.upgrade()
    }

    /// Takes short messages for a subscriber, framed, as far as there is room; whether what is
    /// left, if anything is, begins with a short one too, and so is due at its post.
    pub(super) fn take_short(
        &mut self,
        key: usize,
        frames: ShortFrames,
        parcel: &mut WriteBuf,
    ) -> bool {
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return true;
        };
        let mut is_short = true;
        while is_short
            && parcel.len() < ROOM
            && let Some(message) = subscriber.oldest(&self.log)
        {
            is_short = frames.write(message.kind(), message.message().as_bytes(), parcel);
            if is_short {
                subscriber.take_oldest(&mut self.log);
            }
        }
        if is_short && subscriber.messages > 0 {
            let post = subscriber.post.and_then(|post| self.posts.get_mut(post));
            post.into_iter().for_each(|post| post.due.push_back(key));
        }
        self.release();
        is_short
    }

    /// Appends a message, and collects the tasks that wait for one.
    pub(super) fn push(&mut self, message: Arc<SharedMessage>, wakers: &mut Vec<Waker>) {
        if self.subscribers.is_empty() {
            return;
        }
        let len = message.message().as_bytes().len();
        let awaited = self.subscribers.len();
        self.log.push_back(Entry { message, awaited });
        for (key, subscriber) in &mut self.subscribers {
            subscriber.messages += 1;
            subscriber.bytes += len;
            if subscriber.is_over() {
                subscriber.overflow(&mut self.log);
            }
            let post = subscriber.post.filter(|_| !subscriber.is_cut_off);
            match post.and_then(|post| self.posts.get_mut(post)) {
                Some(post) if subscriber.messages == 1 => post.due.push_back(key),
                Some(_) => {}
                None => wakers.extend(subscriber.waker.take()),
            }
        }
        let posts = self.posts.iter_mut().filter(|post| !post.due.is_empty());
        wakers.extend(posts.filter_map(|post| post.waker.take()));
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

impl Post {
    /// One without a task.
    fn new(runtime: Id) -> Self {
        Self {
            runtime,
            is_manned: false,
            lenders: 0,
            due: VecDeque::new(),
            waker: None,
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

    /// Is written to by no post any more.
    fn recall(&mut self, posts: &mut [Post]) {
        let post = self.post.take().and_then(|post| posts.get_mut(post));
        post.into_iter().for_each(|post| post.lenders -= 1);
        self.outlet = Weak::new();
    }

    fn oldest<'a>(&'a self, log: &'a VecDeque<Entry>) -> Option<&'a SharedMessage> {
        match self.held.front() {
            Some(message) => Some(message),
            None => {
                let first = log.len().saturating_sub(self.messages);
                log.get(first).map(|entry| &*entry.message)
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
