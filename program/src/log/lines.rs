//! The layer that turns events into lines.

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
    /// The thread's buffer for a line.
    static LINE: Cell<String> = const { Cell::new(String::new()) };
}

/// The largest buffer that a thread keeps for its next line, in bytes.
const KEPT: usize = 16 << 10;

/// A layer that formats events and queues each for its log.
pub(super) struct Lines {
    pub(super) format: Format,
    /// True if the kind of a line matters. Finding it costs a look at the message.
    pub(super) is_sorted: bool,
    /// The error log.
    pub(super) main: Log,
    /// The access log, if there is one. It may be the error log.
    pub(super) access: Option<Log>,
}

/// A log.
#[derive(Clone, Copy)]
pub(super) struct Log {
    /// The queue of the log's writer.
    queue: &'static Queue,
    /// True if lines begin with a journal priority.
    has_priorities: bool,
    /// True if text has colours.
    is_styled: bool,
}

impl Log {
    /// Creates a log in a file.
    pub(super) fn in_file(queue: &'static Queue) -> Self {
        Self {
            queue,
            has_priorities: false,
            is_styled: false,
        }
    }

    /// Creates a log on a stream: with colours on a terminal (https://no-color.org), with
    /// priorities in the journal.
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
        // An event inside the formatting of this one finds an empty buffer and fills its own.
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
            // A thread that is ending has no next line.
            let _ = LINE.try_with(|kept| kept.set(line));
        }
    }
}
