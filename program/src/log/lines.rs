//! Events that become lines.

use std::cell::Cell;
use std::env;
use std::io::IsTerminal;
use std::os::fd::AsFd;

use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::format::Format;
use super::journal;
use super::kind::Kind;
use super::queue::Queue;

thread_local! {
    /// Where a line is made.
    static LINE: Cell<String> = const { Cell::new(String::new()) };
}

/// How much a thread keeps for its next line.
const KEPT: usize = 16 << 10;

/// Makes lines of events, each for its log.
pub(super) struct Lines {
    pub(super) format: Format,
    /// Whether it matters what a line is about, which costs a look at its message.
    pub(super) is_sorted: bool,
    /// The error log.
    pub(super) main: Log,
    /// The access log, if there is one; it may be the same.
    pub(super) access: Option<Log>,
}

/// A log.
#[derive(Clone, Copy)]
pub(super) struct Log {
    /// What waits to be written to it.
    queue: &'static Queue,
    /// Whether a line says first how important it is.
    has_priorities: bool,
    /// Whether text has colours.
    is_styled: bool,
}

impl Log {
    /// A log in a file.
    pub(super) fn in_file(queue: &'static Queue) -> Self {
        Self {
            queue,
            has_priorities: false,
            is_styled: false,
        }
    }

    /// A log on a stream: in colours on a terminal (https://no-color.org), with priorities in the journal.
    pub(super) fn on(stream: &(impl AsFd + IsTerminal), queue: &'static Queue) -> Self {
        let is_plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            queue,
            has_priorities: journal::reads(stream),
            is_styled: stream.is_terminal() && !is_plain,
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let kind = match self.is_sorted {
            true => Kind::of(event),
            false => None,
        };
        let log = match kind {
            Some(_) => self.access.as_ref(),
            None => Some(&self.main),
        };
        let Some(log) = log else { return };
        // An event within a value of this one finds no text, and begins its own.
        let mut line = LINE.try_with(Cell::take).unwrap_or_default();
        line.clear();
        if log.has_priorities {
            line.push_str(journal::priority(*event.metadata().level()));
        }
        if self.format.push(&mut line, event, kind, log.is_styled) {
            line.push('\n');
            log.queue.push(line.as_bytes());
        }
        if line.capacity() <= KEPT {
            // A thread that ends has no next line.
            let _ = LINE.try_with(|kept| kept.set(line));
        }
    }
}
