//! Log lines on their way to standard error.
//!
//! They gather here, and a thread of its own writes them: no connection waits for a slow terminal
//! or pipe, or pays for a system call with each line.

mod clock;
mod fields;
mod queue;

use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use self::clock::Clock;
use self::fields::Fields;
use self::queue::Log;

/// How long lines gather after some have been written.
const PAUSE: Duration = Duration::from_millis(10);

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
    LOG.finish();
}
