//! The progress line on a terminal.

use std::io::{self, Write};
use std::time::Duration;

use super::report::{percentiles, throughput};
use super::tally::Tally;

/// The progress line on a terminal.
#[derive(Debug)]
pub(super) struct Live {
    size: usize,
    /// The counts of the last line.
    answers: u64,
    elapsed: Duration,
}

impl Live {
    pub(super) fn new(size: usize) -> Self {
        Self {
            size,
            answers: 0,
            elapsed: Duration::ZERO,
        }
    }

    pub(super) fn write(&mut self, elapsed: Duration, tally: &Tally) {
        let answers = tally.answers();
        let lately = throughput(
            answers - self.answers,
            self.size,
            elapsed.saturating_sub(self.elapsed),
        );
        let errors: u64 = tally.errors.values().sum();
        let errors = match errors {
            0 => String::new(),
            errors => format!("  {errors} errors"),
        };
        let latency = percentiles(&tally.latency, &["p50", "p99", "max"]);
        let line = format!(
            "{ERASE}{:.0} s  {lately}  {latency}{errors}",
            elapsed.as_secs_f64()
        );
        // A closed terminal is no reason to end the run.
        let _ = io::stderr().write_all(line.as_bytes());
        (self.answers, self.elapsed) = (answers, elapsed);
    }

    pub(super) fn erase(self) {
        let _ = io::stderr().write_all(ERASE.as_bytes());
    }
}

/// Returns to the start of the line and erases it (ECMA-48: CR, EL).
const ERASE: &str = "\r\x1b[K";
