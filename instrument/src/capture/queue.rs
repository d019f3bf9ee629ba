//! A queue of connections that have ended and are to be written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use tracing::error;

use super::recording::Recording;

/// The sending end of the queue. A connection is added when it has ended.
#[derive(Debug)]
pub(super) struct Queue {
    work: Sender<Work>,
    is_ending: AtomicBool,
}

/// A task of the writing thread.
#[derive(Debug)]
pub(super) enum Work {
    Write(Recording),
    /// Notifies the sender when all earlier tasks are done.
    Finish(Sender<()>),
}

impl Queue {
    /// Creates a queue, and the receiver of its tasks.
    pub(super) fn new() -> (Self, Receiver<Work>) {
        let (work, to_do) = channel();
        let is_ending = AtomicBool::new(false);
        (Self { work, is_ending }, to_do)
    }

    pub(super) fn write(&self, recording: Recording) {
        if self.work.send(Work::Write(recording)).is_err() {
            error!("a connection is not written: the writer thread has failed");
        }
    }

    /// Waits until all earlier tasks are done. Blocks the calling thread.
    pub(super) fn finish(&self) {
        let (sender, done) = channel();
        // A writer that has ended has nothing left to write.
        if self.work.send(Work::Finish(sender)).is_ok() {
            let _ = done.recv();
        }
    }

    /// Makes connections that are dropped from now on count as cut.
    pub(super) fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }
}
