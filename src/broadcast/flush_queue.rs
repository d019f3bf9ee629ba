//! For whom the task of a runtime is to write.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use tokio::runtime::Id;

use crate::transport::SharedWriter;

/// The connections to which the task of one runtime writes.
pub(super) struct FlushQueue {
    pub(super) runtime: Id,
    /// Whether the task has been spawned and has not ended.
    pub(super) is_running: bool,
    /// How many connections share their writers with it.
    pub(super) writers: usize,
    /// The subscribers for whom something has come.
    pub(super) ready: VecDeque<usize>,
    /// The task, while no subscriber is ready.
    pub(super) waker: Option<Waker>,
}

/// What the task of a flush queue is to do.
pub(super) enum Work {
    /// To write to this subscriber, if its connection is still there.
    Write(usize, Option<Arc<SharedWriter>>),
    /// To wait until a subscriber is ready.
    Wait,
    /// To end: no connection is attached any more.
    End,
}

impl FlushQueue {
    /// One without a task.
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
