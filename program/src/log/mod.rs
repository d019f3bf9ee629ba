//! The log on standard error, or in files.
//!
//! Lines are queued, and a thread writes them: connections never wait for a slow terminal, pipe or
//! disk, and make no system call per line. Lines about connections and requests may have a log of
//! their own, the access log.
//!
//! ```text
//!   event ──filter──▶ lines ──format──▶ queue ──thread──▶ output
//!           level       which log       bounded           standard error, standard output, a file
//! ```

mod clock;
mod common;
mod ecs;
mod filter;
mod format;
mod journal;
mod json;
mod kind;
mod lines;
mod object;
mod output;
mod queue;
mod settings;
mod text;
mod visible;
mod writer;

use std::fmt::Display;
use std::io;
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use thiserror::Error;
use tracing::{error, info};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub(crate) use self::clock::time_of;
pub(crate) use self::filter::{check as check_filter, set_filter};
pub(crate) use self::format::Format;
use self::lines::{Lines, Log};
use self::output::Output;
use self::queue::Queue;
pub(crate) use self::settings::{Access, Settings};
pub(crate) use self::visible::visible;
use self::writer::{Telling, tell};

/// The default log level of a server.
pub(crate) const SERVING: &str = "info";

/// The queue of the error log, and of all lines without a log of their own.
static MAIN: Queue = Queue::new();
static ACCESS: Queue = Queue::new();

/// True for a log that is in a file.
static IS_MAIN_FILE: AtomicBool = AtomicBool::new(false);
static IS_ACCESS_FILE: AtomicBool = AtomicBool::new(false);

/// The names of the writing threads.
const MAIN_THREAD: &str = "log";
const ACCESS_THREAD: &str = "access log";

/// The reason why logging cannot be started.
#[derive(Debug, Error)]
pub(crate) enum LogError {
    /// A file cannot be opened.
    #[error("the log {path} cannot be opened: {error}", path = .0.display(), error = .1)]
    File(PathBuf, io::Error),
    /// A thread cannot be started.
    #[error("the log thread cannot be started: {0}")]
    Thread(io::Error),
}

impl LogError {
    /// The file that cannot be opened, if that is the reason.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path, _) => Some(path),
            Self::Thread(_) => None,
        }
    }
}

/// Starts to log. The filter is that of `RUST_LOG`, or else of the settings, or else `level`.
///
/// # Errors
///
/// A file cannot be opened, or a thread cannot be started.
pub(crate) fn start(settings: &Settings, level: &str) -> Result<(), LogError> {
    let file =
        |path: &PathBuf| Output::file(path).map_err(|error| LogError::File(path.clone(), error));
    let (output, main) = match &settings.file {
        Some(path) => (file(path)?, Log::in_file(&MAIN)),
        None => (Output::stderr(), Log::on(&io::stderr(), &MAIN)),
    };
    let (of_access, access) = match &settings.access {
        None => (None, Some(main)),
        Some(Access::Off) => (None, None),
        Some(Access::Stdout) => {
            let log = Log::on(&io::stdout(), &ACCESS);
            (Some(Output::stdout()), Some(log))
        }
        Some(Access::File(path)) => (Some(file(path)?), Some(Log::in_file(&ACCESS))),
    };
    let has_access_file = matches!(settings.access, Some(Access::File(_)));
    IS_MAIN_FILE.store(settings.file.is_some(), Ordering::Relaxed);
    IS_ACCESS_FILE.store(has_access_file, Ordering::Relaxed);
    writer::start(MAIN_THREAD, &MAIN, output, Telling::OnStderr).map_err(LogError::Thread)?;
    if let Some(output) = of_access {
        let started = writer::start(ACCESS_THREAD, &ACCESS, output, Telling::InLog);
        started.map_err(LogError::Thread)?;
    }
    polysock::show_queries(settings.query);
    filter::start(settings.level.as_deref().unwrap_or(level));
    let format = settings.format.unwrap_or(Format::Text);
    let lines = Lines {
        format,
        is_sorted: settings.access.is_some() || matches!(format, Format::Ecs | Format::Clf),
        main,
        access,
    };
    let subscriber = tracing_subscriber::registry().with(filter::Filter);
    subscriber.with(lines).init();
    Ok(())
}

/// The number of lines lost since the start, because the reader was too slow or writing failed.
pub(crate) fn lost() -> u64 {
    queue::lost()
}

/// Requests that log files be opened again by name, after a rotation. Returns true if there are
/// any.
pub(crate) fn reopen() -> bool {
    let logs = [(&IS_ACCESS_FILE, &ACCESS), (&IS_MAIN_FILE, &MAIN)];
    let mut files = logs
        .iter()
        .filter(|(is_file, _)| is_file.load(Ordering::Relaxed));
    files.by_ref().map(|(_, queue)| queue.reopen()).count() > 0
}

/// Logs the reason why the program ends, also on standard error if the log is a file.
pub(crate) fn failed(problem: &dyn Display) {
    error!("{problem}");
    if IS_MAIN_FILE.load(Ordering::Relaxed) {
        tell(problem);
    }
}

/// Applies a changed log level of a configuration, unless the environment sets the filter. All
/// other log settings need a restart.
pub(crate) fn apply(old: &Settings, new: &Settings) {
    if old.level == new.level {
        return;
    }
    if filter::is_of_environment() {
        info!("the log level is set by RUST_LOG and does not change");
        return;
    }
    let level = new.level.as_deref().unwrap_or(SERVING);
    match set_filter(level, None) {
        Ok(()) => info!("the log level is now {level}"),
        Err(error) => error!("{error}"),
    }
}

/// Logs a panic. A panic ends a connection, or the program if it is in the main thread.
pub(crate) fn panicked(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref().map(String::as_str));
    let reason = text.unwrap_or("no reason given");
    let place = panic.location().map(tracing::field::display);
    match thread::current().name() {
        // A writing thread cannot write its own panic to the log.
        Some(MAIN_THREAD | ACCESS_THREAD) => {
            tell(&format_args!("a log thread panicked: {reason}"));
        }
        name => {
            error!(place, "panicked: {reason}");
            if name == Some("main") {
                finish();
            }
        }
    }
}

/// Waits until all lines are written, before the process ends.
pub(crate) fn finish() {
    // Write errors of the access log are reported in the error log, so that is finished last.
    ACCESS.finish();
    MAIN.finish();
}
