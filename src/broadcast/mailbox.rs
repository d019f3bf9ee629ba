//! Messages to single subscribers of a topic.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use polysock_protocols::{Close, SharedMessage};

use super::topic::{Address, Topic, lock};

/// A handle that sends messages to one subscription from any thread. Messages arrive in the order
/// in which they were sent, also relative to those published to all. Once the subscription has
/// ended, messages are discarded. Clones send to the same subscription.
#[derive(Clone)]
pub(crate) struct Mailbox {
    topic: Arc<Mutex<Topic>>,
    address: Address,
}

impl Mailbox {
    pub(super) fn new(topic: Arc<Mutex<Topic>>, address: Address) -> Self {
        Self { topic, address }
    }

    /// Returns a mailbox that discards all messages.
    pub(crate) fn nowhere() -> Self {
        let mut topic = Topic::default();
        let key = topic.insert(super::Queue::default());
        let address = topic.address(key);
        topic.remove(key);
        Self::new(Arc::new(Mutex::new(topic)), address)
    }

    /// Sends a message. Never blocks: a message that cannot be taken yet waits in the queue.
    pub(crate) fn send(&self, message: &Arc<SharedMessage>) {
        let waker = lock(&self.topic).push_to(self.address, message);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Sends a message to each mailbox. Cheapest if the mailboxes of one topic are adjacent: the
    /// topic is then locked once for all of them.
    pub(crate) fn send_to_all<'a>(
        mailboxes: impl IntoIterator<Item = &'a Self>,
        message: &Arc<SharedMessage>,
    ) {
        let mut mailboxes = mailboxes.into_iter().peekable();
        let mut wakers = Vec::new();
        while let Some(first) = mailboxes.next() {
            let mut topic = lock(&first.topic);
            wakers.extend(topic.push_to(first.address, message));
            while let Some(next) = mailboxes.next_if(|next| first.is_beside(next)) {
                wakers.extend(topic.push_to(next.address, message));
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Closes the connection after the messages sent before. Later messages do not reach it.
    pub(crate) fn close(&self, close: Close) {
        let wakers = lock(&self.topic).close_at(self.address, close);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Returns a number that is the same for all mailboxes of one topic.
    pub(crate) fn group(&self) -> usize {
        Arc::as_ptr(&self.topic).addr()
    }

    fn is_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.topic, &other.topic)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}
