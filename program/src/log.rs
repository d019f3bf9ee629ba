//! Log lines on their way to standard error.
//!
//! They gather here, and a thread of its own writes them: no connection waits for a slow terminal
//! or pipe, or pays for a system call with each line.

use std::cell::RefCell;
use std::fmt::{self, Debug, Write as _};
use std::io::{self, IsTerminal, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use tracing::field::{Field, Visit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{self, FormatTime};

/// How many bytes may wait while standard error takes none; lines beyond are lost, and counted.
const ROOM: usize = 1 << 20;

/// How long lines gather after some have been written.
const PAUSE: Duration = Duration::from_millis(10);

/// How long the end of the process waits for what reads the last lines.
const GOODBYE: Duration = Duration::from_secs(1);

static LOG: Log = Log::new();

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Starts to log what `RUST_LOG` selects, or else this level.
///
/// # Errors
///
/// The thread cannot be started.
pub(crate) fn start(format: Format, level: &str) -> io::Result<()> {
    thread::Builder::new().name("log".into()).spawn(|| {
        let mut lines = Vec::new();
        loop {
            LOG.write_next(&mut lines, io::stderr());
            thread::sleep(PAUSE);
        }
    })?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| &LOG)
        .with_target(false)
        .with_timer(Clock)
        .with_ansi(io::stderr().is_terminal());
    match format {
        Format::Text => builder.fmt_fields(Fields).init(),
        Format::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Waits until all is written, before the process ends.
pub(crate) fn finish() {
    let is_left = |waiting: &mut Waiting| waiting.is_writing || !waiting.lines.is_empty();
    let _ = LOG.done.wait_timeout_while(LOG.lock(), GOODBYE, is_left);
}

/// The fields of a line, as the library writes them without styles at several times the cost: two
/// lines are a twentieth of what a short connection costs.
struct Fields;

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line(String::with_capacity(256));
        fields.record(&mut line);
        writer.write_str(&line.0)
    }
}

/// Fields, one after the other.
struct Line(String);

impl Line {
    /// Begins a field.
    fn name(&mut self, field: &Field) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        if field.name() != "message" {
            self.0.push_str(field.name());
            self.0.push('=');
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        let needs_no_escape = |byte: u8| is_plain(byte) && !matches!(byte, b'"' | b'\\');
        if !value.bytes().all(needs_no_escape) {
            return self.record_debug(field, &value);
        }
        self.name(field);
        self.0.push('"');
        self.0.push_str(value);
        self.0.push('"');
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        self.0.push_str(itoa::Buffer::new().format(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.name(field);
        self.0.push_str(zmij::Buffer::new().format(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.name(field);
        self.0.push_str(if value { "true" } else { "false" });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.name(field);
        // A value that cannot say what it is leaves an empty field.
        let _ = write!(Escaped(&mut self.0), "{value:?}");
    }
}

/// Whether a byte stands for itself in a line.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// What a peer says neither steers the terminal nor begins a line of its own.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(is_plain) {
            self.0.push_str(text);
            return Ok(());
        }
        for character in text.chars() {
            if character.is_ascii() && !character.is_ascii_control() {
                self.0.push(character);
            } else {
                self.0.extend(character.escape_debug());
            }
        }
        Ok(())
    }
}

/// The time of a line. What is the same for a second is made once in it.
struct Clock;

thread_local! {
    /// The last second there was a line in, and its text as far as the point.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        SECOND.with_borrow_mut(|(second, text)| {
            if *second != now.as_secs() {
                *second = now.as_secs();
                text.clear();
                time::SystemTime.format_time(&mut Writer::new(text))?;
                text.truncate(text.find('.').unwrap_or(text.len()));
                text.push('.');
            }
            let point = text.len();
            // The digit before them keeps the zeroes that they begin with.
            let mut digits = itoa::Buffer::new();
            let micros = digits.format(1_000_000 + now.subsec_micros());
            text.extend(micros.strip_prefix('1'));
            text.push('Z');
            let written = writer.write_str(text);
            text.truncate(point);
            written
        })
    }
}

struct Log {
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
    const fn new() -> Self {
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

    /// Waits for lines and writes all that are there. What holds them changes places with `lines`,
    /// so that neither grows anew each time.
    fn write_next(&self, lines: &mut Vec<u8>, mut output: impl Write) {
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
            let _ = writeln!(
                output,
                "{lost} log lines are lost: what reads them is too slow"
            );
        }
        self.lock().is_writing = false;
        self.done.notify_all();
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
        log.write_next(&mut lines, &mut output);
        let kept = ROOM / line.len();
        let lost = format!(
            "{} log lines are lost: what reads them is too slow\n",
            2000 - kept
        );
        assert_eq!(output, [line.repeat(kept), lost.into()].concat());
        output.clear();
        (&log).write_all(b"next").unwrap();
        log.write_next(&mut lines, &mut output);
        assert_eq!(output, b"next");
    }
}
