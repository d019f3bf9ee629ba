//! Lines on their way to where they are written.

use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many bytes may wait while standard error takes none; lines beyond are lost, and counted.
const ROOM: usize = 1 << 20;

/// How long the end of the process waits for what reads the last lines.
const GOODBYE: Duration = Duration::from_secs(1);

/// Lines that wait to be written.
pub(super) struct Log {
    waiting: Mutex<Waiting>,
    came: Condvar,
    done: Condvar,
}

struct Waiting {
    lines: Vec<u8>,
    lost: u64,
    /// Whether the thread is to be told of the next line.
    is_awaited: bool,
    is_writing: bool,
}

impl Log {
    pub(super) const fn new() -> Self {
        let waiting = Waiting {
            lines: Vec::new(),
            lost: 0,
            is_awaited: false,
            is_writing: false,
        };
        Self {
            waiting: Mutex::new(waiting),
            came: Condvar::new(),
            done: Condvar::new(),
        }
    }

    /// Waits for lines and writes all that are there, and behind them one of those that were lost.
    /// What holds them changes places with `lines`, so that neither grows anew each time.
    pub(super) fn write_next(
        &self,
        lines: &mut Vec<u8>,
        mut output: impl Write,
        of_lost: impl FnOnce(u64) -> String,
    ) {
        let mut waiting = self.lock();
        while waiting.lines.is_empty() {
            waiting.is_awaited = true;
            let woken = self.came.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
        lines.clear();
        std::mem::swap(lines, &mut waiting.lines);
        let lost = std::mem::take(&mut waiting.lost);
        waiting.is_writing = true;
        drop(waiting);
        // Nobody is left to whom an error could be told.
        let _ = output.write_all(lines);
        if lost > 0 {
            let _ = output.write_all(of_lost(lost).as_bytes());
        }
        self.lock().is_writing = false;
        self.done.notify_all();
    }

    /// Waits until all is written, or what reads it has had its time.
    pub(super) fn finish(&self) {
        let is_left = |waiting: &mut Waiting| waiting.is_writing || !waiting.lines.is_empty();
        let _ = self.done.wait_timeout_while(self.lock(), GOODBYE, is_left);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a line at a time, as its subscriber hands them over.
impl Write for &Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.lock();
        if waiting.lines.len() + line.len() > ROOM {
            waiting.lost += 1;
        } else {
            waiting.lines.extend_from_slice(line);
        }
        if std::mem::take(&mut waiting.is_awaited) {
            self.came.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reads_is_bounded_and_counted() {
        let log = Log::new();
        let line = [b'x'; 1000];
        for _ in 0..2000 {
            (&log).write_all(&line).unwrap();
        }
        let (mut lines, mut output) = (Vec::new(), Vec::new());
        let of_lost = |lost| format!("{lost} lost\n");
        log.write_next(&mut lines, &mut output, of_lost);
        let kept = ROOM / line.len();
        let lost = of_lost(2000 - kept as u64);
        assert_eq!(output, [line.repeat(kept), lost.into()].concat());
        output.clear();
        (&log).write_all(b"next").unwrap();
        log.write_next(&mut lines, &mut output, of_lost);
        assert_eq!(output, b"next");
    }
}
