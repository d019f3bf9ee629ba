//! The report of a run, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// The result of a run.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) url: String,
    pub(super) protocol: &'static str,
    pub(super) text: bool,
    pub(super) size: usize,
    pub(super) in_flight: usize,
    pub(super) byte_stream: bool,
    /// The requested connections, and those that opened.
    pub(super) connections: usize,
    pub(super) opened: u64,
    pub(super) elapsed: Duration,
    pub(super) interrupted: bool,
    /// The time from the start of a connection to the end of its opening handshake, in nanoseconds.
    pub(super) setup: Histogram<u64>,
    pub(super) latency: Histogram<u64>,
    pub(super) errors: BTreeMap<String, u64>,
}

impl Report {
    /// Formats the report as one JSON object on one line. The help lists its keys.
    pub(super) fn json(&self) -> String {
        let object = json!({
            "url": self.url,
            "protocol": self.protocol,
            "kind": self.kind(),
            "size": self.size,
            "in_flight": self.in_flight,
            "byte_stream": self.byte_stream,
            "connections": self.connections,
            "opened": self.opened,
            "seconds": self.elapsed.as_secs_f64(),
            "interrupted": self.interrupted,
            "messages": self.latency.len(),
            "messages_per_second": rate(self.latency.len(), self.elapsed),
            "mib_per_second": mebibytes(self.latency.len(), self.size, self.elapsed),
            "latency_us": microseconds(&self.latency),
            "setup_us": microseconds(&self.setup),
            "errors": self.errors,
        });
        format!("{object}\n")
    }

    fn kind(&self) -> &'static str {
        if self.text { "text" } else { "binary" }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} of {} connections, {} messages of {} bytes, {} in flight on each{}",
            self.protocol,
            self.opened,
            self.connections,
            self.kind(),
            self.size,
            self.in_flight,
            if self.byte_stream {
                ", to a byte stream"
            } else {
                ""
            }
        )?;
        let messages = self.latency.len();
        writeln!(
            f,
            "messages  {messages} in {:.2} s{}: {}",
            self.elapsed.as_secs_f64(),
            if self.interrupted {
                ", interrupted"
            } else {
                ""
            },
            throughput(messages, self.size, self.elapsed)
        )?;
        let names = ["p50", "p90", "p99", "p99.9", "max"];
        writeln!(f, "latency   {}", percentiles(&self.latency, &names))?;
        writeln!(f, "set-up    {}", percentiles(&self.setup, &names))?;
        for (error, count) in &self.errors {
            writeln!(f, "error     {count} × {error}")?;
        }
        Ok(())
    }
}

/// Formats the messages per second, and their payload per second in one direction.
pub(super) fn throughput(messages: u64, size: usize, elapsed: Duration) -> String {
    format!(
        "{:.0} messages/s, {:.2} MiB/s",
        rate(messages, elapsed),
        mebibytes(messages, size, elapsed)
    )
}

/// Formats the percentiles of these names on one line.
pub(super) fn percentiles(histogram: &Histogram<u64>, names: &[&str]) -> String {
    if histogram.is_empty() {
        return "nothing measured".into();
    }
    let mut line = String::new();
    let named = |(name, ..): &&(&str, &str, f64)| names.contains(name);
    for (name, _, quantile) in PERCENTILES.iter().filter(named) {
        let value = Duration::from_nanos(histogram.value_at_quantile(*quantile));
        let _ = write!(line, "{name} {value:.1?}  ");
    }
    line.trim_end().into()
}

/// The percentiles in microseconds; `null` if nothing was measured.
fn microseconds(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    let value = |(_, key, quantile): &(&str, &str, f64)| {
        let nanoseconds = histogram.value_at_quantile(*quantile);
        ((*key).to_owned(), json!(nanoseconds as f64 / 1000.0))
    };
    Value::Object(PERCENTILES.iter().map(value).collect())
}

fn rate(messages: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() {
        return 0.0;
    }
    messages as f64 / elapsed.as_secs_f64()
}

fn mebibytes(messages: u64, size: usize, elapsed: Duration) -> f64 {
    rate(messages, elapsed) * size as f64 / f64::from(1 << 20)
}

/// The names, JSON keys and quantiles of the percentiles.
const PERCENTILES: &[(&str, &str, f64)] = &[
    ("p50", "p50", 0.5),
    ("p90", "p90", 0.9),
    ("p99", "p99", 0.99),
    ("p99.9", "p999", 0.999),
    ("max", "max", 1.0),
];
