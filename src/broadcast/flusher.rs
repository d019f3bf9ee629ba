//! A task that writes short messages to idle connections.
//!
//! Waking a thousand tasks so that each may write a few bytes is a seventh of the cost of a
//! broadcast. So the connections of a thread share their sockets while they wait, and one task
//! writes to all of them.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Buf;
use polysock_protocols::WriteBuf;
use tokio::task::yield_now;

use super::flush_queue::Work;
use super::topic::{Topic, lock};
use crate::transport::{Grant, SharedWriter};

/// The number of connections written to before the task yields to the other tasks of the thread.
const SHARE: usize = 64;

/// The task that writes the messages of a topic to the connections of one runtime.
pub(super) struct Flusher {
    topic: Weak<Mutex<Topic>>,
    /// The index of the flush queue in the topic.
    queue: usize,
    /// The frames for one connection. Empty between two connections.
    batch: WriteBuf,
}

impl Flusher {
    /// Creates the task of a queue that has none.
    pub(super) fn new(topic: Weak<Mutex<Topic>>, queue: usize) -> Self {
        Self {
            topic,
            queue,
            batch: WriteBuf::new(),
        }
    }

    /// Writes to the connections of the queue. Ready once no connection is attached to the queue.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(topic) = self.topic.upgrade() else {
            return Poll::Ready(());
        };
        for _ in 0..SHARE {
            let mut locked = lock(&topic);
            match locked.next_work(self.queue, cx.waker()) {
                Work::Write(key, writer) => {
                    let grant = writer.as_deref().and_then(SharedWriter::grant);
                    if !grant.is_some_and(|grant| self.flush(locked, key, grant)) {
                        let waker = lock(&topic).detach(key);
                        waker.into_iter().for_each(Waker::wake);
                    }
                }
                Work::Wait => return Poll::Pending,
                Work::End => return Poll::Ready(()),
            }
        }
        pin!(yield_now()).poll(cx)
    }

    /// Writes the short messages queued for a subscriber. Returns `false` if the task of the
    /// connection must continue. The caller obtains the grant before any message is taken from the
    /// topic, which keeps the order.
    fn flush(&mut self, mut topic: MutexGuard<'_, Topic>, key: usize, grant: Grant<'_>) -> bool {
        let (published, is_all) = topic.take_short(key, grant.frames, &mut self.batch);
        drop(topic);
        let is_written = self.batch.is_empty() || grant.write(self.batch.chunk(), published);
        self.batch.advance(self.batch.len());
        is_all && is_written
    }
}
