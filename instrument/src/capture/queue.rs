//! Connections that have ended and are to be written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use tracing::error;

use super::recording::Recording;

/// The end of a queue that connections put themselves into when they have ended.
#[derive(Debug)]
pub(super) struct Queue {
    work: Sender<Work>,
    is_ending: AtomicBool,
}

/// A task of the thread that writes.
#[derive(Debug)]
pub(super) enum Work {
    Write(Recording),
    /// Tells when all before it is done.
    Finish(Sender<()>),
}

impl Queue {
    /// A queue, and where its work comes out.
    pub(super) fn new() -> (Self, Receiver<Work>) {
        let (work, to_do) = channel();
        let is_ending = AtomicBool::new(false);
        (Self { work, is_ending }, to_do)
    }

    pub(super) fn write(&self, recording: Recording) {
        if self.work.send(Work::Write(recording)).is_err() {
            error!("a connection is not written: the thread that writes them has failed");
        }
    }

    /// Waits until all before it is written; blocks the thread.
    pub(super) fn finish(&self) {
        let (sender, done) = channel();
        // A writer that is gone has nothing to write.
        if self.work.send(Work::Finish(sender)).is_ok() {
            let _ = done.recv();
        }
    }

    /// Says that connections that are dropped from now on are cut.
    pub(super) fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }
}
