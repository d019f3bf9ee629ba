//! Lines on their way to where they are written.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many bytes may wait while nobody takes any; lines beyond are lost, and counted.
const ROOM: usize = 1 << 20;

/// How long the end of the process waits for what reads the last lines.
const GOODBYE: Duration = Duration::from_secs(1);

/// How many lines were lost since the start, wherever they were to go.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many that is.
pub(super) fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Counts lines that are lost.
pub(super) fn count_lost(lines: u64) {
    LOST.fetch_add(lines, Ordering::Relaxed);
}

/// Lines that wait to be written.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    came: Condvar,
    done: Condvar,
}

struct Waiting {
    lines: Vec<u8>,
    lost: u64,
    /// Whether the file of the log is to be opened again.
    reopen: bool,
    /// Whether the thread is to be told of the next line.
    is_awaited: bool,
    is_writing: bool,
}

/// What is to be done beside writing lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// How many lines were lost behind them.
    pub(super) lost: u64,
    /// Whether the file is to be opened again before they are written.
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

    /// Takes a line, unless there is no room.
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

    /// Has the file be opened again before the next line is written.
    pub(super) fn reopen(&self) {
        let mut waiting = self.lock();
        waiting.reopen = true;
        self.wake(waiting);
    }

    /// Waits for something to do, and takes all lines that are there, which [`written`](Self::written)
    /// is to be told of. What holds them changes places with `lines`, so that neither grows anew each time.
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

    /// Notes that the lines that were taken are written.
    pub(super) fn written(&self) {
        self.lock().is_writing = false;
        self.done.notify_all();
    }

    /// Waits until all is written, or what reads it has had its time.
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
    fn what_nobody_reads_is_bounded_and_counted() {
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
        // Other tests may lose lines as well.
        assert!(lost() - before >= expected);
        queue.push(b"next");
        queue.reopen();
        let taken = queue.take(&mut lines);
        assert_eq!(lines, b"next");
        assert_eq!((taken.lost, taken.reopen), (0, true));
    }
}
