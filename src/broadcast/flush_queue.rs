//! The subscribers to which the flusher of one runtime writes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use tokio::runtime::Id;

use crate::transport::SharedWriter;

/// The connections to which the flusher task of one runtime writes.
pub(super) struct FlushQueue {
    pub(super) runtime: Id,
    /// Whether the task has been spawned and has not ended.
    pub(super) is_running: bool,
    /// The number of connections that share their writers with the task.
    pub(super) writers: usize,
    /// The keys of the subscribers that have new messages.
    pub(super) ready: VecDeque<usize>,
    /// The waker of the task. `None` unless the task waits for a ready subscriber.
    pub(super) waker: Option<Waker>,
}

/// The next step of the task of a flush queue.
pub(super) enum Work {
    /// Write to this subscriber, if its connection still exists.
    Write(usize, Option<Arc<SharedWriter>>),
    /// Wait until a subscriber is ready.
    Wait,
    /// End, as no connection is attached any more.
    End,
}

impl FlushQueue {
    /// Creates a queue without a task.
    pub(super) fn new(runtime: Id) -> Self {
        Self {
            runtime,
            is_running: false,
            writers: 0,
            ready: VecDeque::new(),
            waker: None,
        }
    }
}
