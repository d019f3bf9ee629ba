//! Short messages on their way to connections that have nothing else to do.
//!
//! To wake a thousand tasks, that each of them may write a few bytes, is a seventh of what a broadcast
//! costs. So the connections of a thread lend their sockets while they wait, and one task
//! writes to all of them.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Buf;
use polysock_protocols::WriteBuf;
use tokio::task::yield_now;

use super::lock;
use super::topic::{Due, Topic};
use crate::transport::SharedWriter;

/// To how many connections it writes before the other tasks of the thread have their turn.
const SHARE: usize = 64;

/// The task of one runtime that writes what is published in a topic.
pub(super) struct Postman {
    topic: Weak<Mutex<Topic>>,
    post: usize,
    /// Empty between two connections.
    parcel: WriteBuf,
}

impl Postman {
    /// One for a post that has none.
    pub(super) fn new(topic: Weak<Mutex<Topic>>, post: usize) -> Self {
        Self {
            topic,
            post,
            parcel: WriteBuf::new(),
        }
    }

    /// Writes to whom something is due; ready once nobody has lent anything to this post.
    pub(super) fn poll_round(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(topic) = self.topic.upgrade() else {
            return Poll::Ready(());
        };
        for _ in 0..SHARE {
            let mut locked = lock(&topic);
            match locked.next_due(self.post, cx.waker()) {
                Due::Subscriber(key) => {
                    if !self.deliver(locked, key) {
                        let waker = lock(&topic).recall(key);
                        waker.into_iter().for_each(Waker::wake);
                    }
                }
                Due::Nobody => return Poll::Pending,
                Due::Over => return Poll::Ready(()),
            }
        }
        pin!(yield_now()).poll(cx)
    }

    /// Writes what is due to a subscriber; whether its task has nothing to do about it. That it is
    /// taken from the topic and that nobody else writes is one step: so the order is kept.
    fn deliver(&mut self, mut topic: MutexGuard<'_, Topic>, key: usize) -> bool {
        let outlet = topic.outlet(key);
        let Some(borrowed) = outlet.as_deref().and_then(SharedWriter::grant) else {
            return false;
        };
        let is_all = topic.take_short(key, borrowed.frames, &mut self.parcel);
        drop(topic);
        let is_written = self.parcel.is_empty() || borrowed.write(self.parcel.chunk());
        self.parcel.advance(self.parcel.len());
        is_all && is_written
    }
}
