//! The log filter, which may change while the program runs.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer};

/// The filter in force; `None` until logging has started.
static IN_FORCE: RwLock<Option<EnvFilter>> = RwLock::new(None);

/// The plan of filter changes.
static PLAN: Mutex<Plan> = Mutex::new(Plan {
    lasting: String::new(),
    until: None,
    is_awaited: false,
});
static REPLANNED: Condvar = Condvar::new();

struct Plan {
    /// The permanent filter.
    lasting: String,
    /// The end of the temporary filter; `None` if none is in force.
    until: Option<Instant>,
    /// True if a thread waits for that end.
    is_awaited: bool,
}

/// The reason why a filter is not applied.
#[derive(Debug, Error)]
pub(crate) enum FilterError {
    /// The text is not a filter.
    #[error(
        "`{0}` is not a filter: write off, error, warn, info, debug or trace, or several as info,polysock::upstream=debug"
    )]
    Unknown(String),
    /// The thread that ends a temporary filter cannot be started.
    #[error("the thread that would end it cannot be started: {0}")]
    Endless(io::Error),
}

/// Sets the first filter: that of `RUST_LOG`, or else `filter`.
pub(super) fn start(filter: &str) {
    let of_environment = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let of_environment = of_environment.filter(|filter| EnvFilter::try_new(filter).is_ok());
    let filter = of_environment.unwrap_or_else(|| filter.to_owned());
    replace(EnvFilter::new(&filter));
    plan().lasting = filter;
}

/// Replaces the filter, in the form of `RUST_LOG`. With a time, the permanent filter returns at its
/// end. A second temporary filter restarts the time.
///
/// # Errors
///
/// The text is not a filter, or the thread that would end it cannot be started.
pub(crate) fn set_filter(filter: &str, time: Option<Duration>) -> Result<(), FilterError> {
    let parsed = parse(filter)?;
    let mut plan = plan();
    match time {
        Some(time) => {
            if !plan.is_awaited {
                let builder = thread::Builder::new().name("log filter".into());
                let started = builder.spawn(come_back);
                started.map_err(FilterError::Endless)?;
                plan.is_awaited = true;
            }
            plan.until = Instant::now().checked_add(time);
        }
        None => {
            filter.clone_into(&mut plan.lasting);
            plan.until = None;
        }
    }
    replace(parsed);
    drop(plan);
    REPLANNED.notify_one();
    Ok(())
}

/// Checks that a text is a filter.
///
/// # Errors
///
/// The text is not a filter.
pub(crate) fn check(filter: &str) -> Result<(), FilterError> {
    parse(filter).map(|_| ())
}

/// True if the environment sets a valid filter.
pub(super) fn is_of_environment() -> bool {
    let filter = std::env::var(EnvFilter::DEFAULT_ENV);
    filter.is_ok_and(|filter| EnvFilter::try_new(filter).is_ok())
}

/// Restores the permanent filter when the time of the temporary one has passed.
fn come_back() {
    let mut plan = plan();
    while let Some(until) = plan.until {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            plan.until = None;
            replace(EnvFilter::new(&plan.lasting));
            break;
        }
        let woken = REPLANNED.wait_timeout(plan, left);
        plan = woken.unwrap_or_else(PoisonError::into_inner).0;
    }
    plan.is_awaited = false;
}

fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    let problem = || FilterError::Unknown(filter.to_owned());
    // Refused: `EnvFilter` reads a lone word as a target, and as none has that name, nothing would
    // be logged.
    let is_known = |word: &str| {
        let is_level = || !word.is_empty() && word.parse::<LevelFilter>().is_ok();
        word.contains(['=', '[', ':']) || is_level()
    };
    if !filter.split(',').map(str::trim).all(is_known) {
        return Err(problem());
    }
    EnvFilter::try_new(filter).map_err(|_| problem())
}

/// True for lines of no use: the NATS client logs the end of each connection as several errors,
/// which our bus logs anyway. `async_nats=debug` shows the rest.
fn is_noise(target: &str, level: &Level) -> bool {
    target.starts_with("async_nats") && *level <= Level::INFO
}

fn plan() -> MutexGuard<'static, Plan> {
    PLAN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn replace(filter: EnvFilter) {
    let mut in_force = IN_FORCE.write().unwrap_or_else(PoisonError::into_inner);
    *in_force = Some(filter);
    // Unlocked first: rebuilding the cache reads the filter.
    drop(in_force);
    tracing::callsite::rebuild_interest_cache();
}

/// The filter in force, as a layer. It is consulted once per callsite, and again after a change, so
/// log lines take no lock unless it filters by span or field.
pub(super) struct Filter;

impl Filter {
    fn ask<T>(otherwise: T, question: impl FnOnce(&EnvFilter) -> T) -> T {
        let filter = IN_FORCE.read().unwrap_or_else(PoisonError::into_inner);
        filter.as_ref().map_or(otherwise, question)
    }
}

impl<S: Subscriber> Layer<S> for Filter {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_noise(metadata.target(), metadata.level()) {
            return Interest::never();
        }
        Self::ask(Interest::never(), |filter| {
            Layer::<S>::register_callsite(filter, metadata)
        })
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        !is_noise(metadata.target(), metadata.level())
            && Self::ask(false, |filter| filter.enabled(metadata, context))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Self::ask(Some(LevelFilter::OFF), |filter| {
            Layer::<S>::max_level_hint(filter)
        })
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        Self::ask((), |filter| filter.on_new_span(attributes, id, context));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        Self::ask((), |filter| filter.on_record(id, values, context));
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        Self::ask((), |filter| filter.on_enter(id, context));
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        Self::ask((), |filter| filter.on_exit(id, context));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        Self::ask((), |filter| filter.on_close(id, context));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_level_is_no_valid_filter() {
        for (filter, is_one) in [
            ("info", true),
            ("OFF", true),
            ("warn,polysock::upstream=debug", true),
            ("polysock=trace, error", true),
            ("polysock::upstream", true),
            ("inof", false),
            ("info,", false),
            ("", false),
            ("polysock=loud", false),
            ("info,upstream", false),
        ] {
            assert_eq!(check(filter).is_ok(), is_one, "{filter}");
        }
    }

    #[test]
    fn lines_of_the_nats_client_are_noise_except_at_debug() {
        for (target, level, expected) in [
            ("async_nats", Level::INFO, true),
            ("async_nats::connector", Level::ERROR, true),
            ("async_nats::connector", Level::DEBUG, false),
            ("polysock_web::bus", Level::ERROR, false),
        ] {
            assert_eq!(is_noise(target, &level), expected, "{target} {level}");
        }
    }

    /// One test for all: the filter is global to the process.
    #[test]
    fn a_temporary_filter_is_reverted() {
        let in_force = || Filter::ask(String::new(), ToString::to_string);
        let waits_for = |filter: &str| {
            let end = Instant::now() + Duration::from_secs(20);
            while in_force() != filter {
                assert!(Instant::now() < end, "{} is not {filter}", in_force());
                thread::yield_now();
            }
        };
        start("warn");
        assert!(set_filter("loud", None).is_err());
        waits_for("warn");
        let long = Duration::from_secs(600);
        set_filter("debug", Some(long)).unwrap();
        assert_eq!(in_force(), "debug");
        // A second temporary filter restarts the time.
        set_filter("trace", Some(Duration::from_millis(20))).unwrap();
        waits_for("warn");
        // A permanent filter cancels the temporary one.
        set_filter("debug", Some(long)).unwrap();
        set_filter("error", None).unwrap();
        assert_eq!(in_force(), "error");
        set_filter("info", Some(Duration::from_millis(1))).unwrap();
        waits_for("error");
    }
}
