//! Log lines on their way to standard error.
//!
//! They gather here, and a thread of its own writes them: no connection waits for a slow terminal
//! or pipe, or pays for a system call with each line.

mod clock;
mod fields;
mod json;
mod queue;
mod visible;

use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::json;
use tracing::error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use self::clock::Clock;
use self::fields::Fields;
use self::json::Json;
use self::queue::Log;
pub(crate) use self::visible::visible;

/// How long lines gather after some have been written.
const PAUSE: Duration = Duration::from_millis(10);

static LOG: Log = Log::new();

/// The thread that writes them.
const LOGGING: &str = "log";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
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
    thread::Builder::new().name(LOGGING.into()).spawn(move || {
        let mut lines = Vec::new();
        loop {
            LOG.write_next(&mut lines, io::stderr(), |lost| of_lost(lost, format));
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
        Format::Json => {
            let builder = builder.json().flatten_event(true);
            builder.with_writer(|| Json(&LOG)).init();
        }
    }
    Ok(())
}

/// The line that says how many were lost, in the form of the others.
fn of_lost(lost: u64, format: Format) -> String {
    let mut time = String::new();
    // Nothing that a string does fails.
    let _ = Clock.format_time(&mut Writer::new(&mut time));
    let message = format!("{lost} log lines are lost: what reads them is too slow");
    match format {
        Format::Text => format!("{time}  WARN {message}\n"),
        Format::Json => {
            let line = json!({ "timestamp": time, "level": "WARN", "message": message });
            format!("{line}\n")
        }
    }
}

/// Logs a panic, which ends a connection, or with the main thread the program.
pub(crate) fn panicked(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref().map(String::as_str));
    let reason = text.unwrap_or("no reason given");
    let place = panic.location().map(tracing::field::display);
    match thread::current().name() {
        // Who writes the lines cannot write this one.
        Some(LOGGING) => eprintln!("polysock: the thread that logs panicked: {reason}"),
        name => {
            error!(place, "panicked: {reason}");
            if name == Some("main") {
                finish();
            }
        }
    }
}

/// Waits until all is written, before the process ends.
pub(crate) fn finish() {
    LOG.finish();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_in_the_form_of_the_log_that_lines_are_lost() {
        let text = of_lost(7, Format::Text);
        assert!(text.ends_with("Z  WARN 7 log lines are lost: what reads them is too slow\n"));
        let line = of_lost(7, Format::Json);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        let of = |name: &str| json.get(name).and_then(|value| value.as_str()).unwrap();
        assert_eq!(of("level"), "WARN");
        assert_eq!(
            of("message"),
            "7 log lines are lost: what reads them is too slow"
        );
        assert!(of("timestamp").ends_with('Z'), "{line}");
    }
}

/// TEMPORARY
pub(crate) fn lost() -> u64 {
    0
}
/// TEMPORARY
pub(crate) fn set_filter(_: &str, _: Option<Duration>) -> Result<(), String> {
    Ok(())
}
