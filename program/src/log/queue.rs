//! The queue of lines for a writing thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The capacity of a queue, in bytes. Lines beyond it are lost and counted.
const ROOM: usize = 1 << 20;

/// The time that the end of the process waits for the last lines to be written.
const GOODBYE: Duration = Duration::from_secs(1);

/// The number of lines lost since the start, in all logs.
static LOST: AtomicU64 = AtomicU64::new(0);

/// The number of lost lines.
pub(super) fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Counts lost lines.
pub(super) fn count_lost(lines: u64) {
    LOST.fetch_add(lines, Ordering::Relaxed);
}

/// A queue of lines to write.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    came: Condvar,
    done: Condvar,
}

struct Waiting {
    lines: Vec<u8>,
    lost: u64,
    /// True if the file of the log is to be opened again.
    reopen: bool,
    /// True if the thread is waiting to be woken.
    is_awaited: bool,
    is_writing: bool,
}

/// Instructions that come with taken lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// The number of lines that were lost after them.
    pub(super) lost: u64,
    /// True if the file is to be opened again before they are written.
    pub(super) reopen: bool,
}

impl Queue {
    pub(super) const fn new() -> Self {
        let waiting = Waiting {
            lines: Vec::new(),
            lost: 0,
            reopen: false,
            is_awaited: false,
            is_writing: false,
        };
        Self {
            waiting: Mutex::new(waiting),
            came: Condvar::new(),
            done: Condvar::new(),
        }
    }

    /// Queues a line, or counts it as lost if there is no room.
    pub(super) fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.lines.len() + line.len() > ROOM {
            waiting.lost += 1;
            count_lost(1);
        } else {
            waiting.lines.extend_from_slice(line);
        }
        self.wake(waiting);
    }

    /// Requests that the file be opened again before the next line is written.
    pub(super) fn reopen(&self) {
        let mut waiting = self.lock();
        waiting.reopen = true;
        self.wake(waiting);
    }

    /// Waits for work and takes all queued lines. The caller must call [`written`](Self::written)
    /// after. The buffers are swapped with `lines`, so that neither is allocated anew.
    pub(super) fn take(&self, lines: &mut Vec<u8>) -> Taken {
        let mut waiting = self.lock();
        while waiting.lines.is_empty() && !waiting.reopen {
            waiting.is_awaited = true;
            let woken = self.came.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
        lines.clear();
        std::mem::swap(lines, &mut waiting.lines);
        waiting.is_writing = true;
        Taken {
            lost: std::mem::take(&mut waiting.lost),
            reopen: std::mem::take(&mut waiting.reopen),
        }
    }

    /// Records that the taken lines are written.
    pub(super) fn written(&self) {
        self.lock().is_writing = false;
        self.done.notify_all();
    }

    /// Waits until all lines are written, up to a limit.
    pub(super) fn finish(&self) {
        let is_left = |waiting: &mut Waiting| waiting.is_writing || !waiting.lines.is_empty();
        let _ = self.done.wait_timeout_while(self.lock(), GOODBYE, is_left);
    }

    fn wake(&self, mut waiting: MutexGuard<'_, Waiting>) {
        if std::mem::take(&mut waiting.is_awaited) {
            self.came.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unread_log_queue_is_bounded_and_its_losses_are_counted() {
        let queue = Queue::new();
        let line = [b'x'; 1000];
        let before = lost();
        for _ in 0..2000 {
            queue.push(&line);
        }
        let mut lines = Vec::new();
        let taken = queue.take(&mut lines);
        let kept = ROOM / line.len();
        assert_eq!(lines, line.repeat(kept));
        let expected = 2000 - kept as u64;
        assert_eq!((taken.lost, taken.reopen), (expected, false));
        // Parallel tests may lose lines as well.
        assert!(lost() - before >= expected);
        queue.push(b"next");
        queue.reopen();
        let taken = queue.take(&mut lines);
        assert_eq!(lines, b"next");
        assert_eq!((taken.lost, taken.reopen), (0, true));
    }
}
