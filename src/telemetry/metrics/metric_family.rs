//! The metrics as data, from which a page of metrics is written.

use std::borrow::Cow;
use std::time::Duration;

/// A metric with all its labels, in the data model of OpenMetrics 1.0.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricFamily {
    /// The name, without `_total`: `polysock_messages`.
    pub name: &'static str,
    /// The description, without a full stop.
    pub help: &'static str,
    /// The kind of its values.
    pub kind: MetricKind,
    /// The values.
    pub samples: Vec<Sample>,
}

/// The kind of a metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Values that only increase.
    Counter,
    /// Current values.
    Gauge,
    /// Counts of measurements, in buckets.
    Histogram,
}

/// A value of a metric, and its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The names and values of the labels.
    pub labels: Vec<(&'static str, Cow<'static, str>)>,
    /// The value.
    pub value: SampleValue,
}

/// A value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleValue {
    /// The value of a counter, or of a gauge that counts.
    Count(u64),
    /// The value of a gauge that measures.
    Number(f64),
    /// The value of a histogram.
    Histogram {
        /// The sum of all measurements.
        sum: f64,
        /// Bounds, and the number of measurements up to each bound and above the previous one. The
        /// last bound is infinite.
        buckets: Vec<(f64, u64)>,
    },
}

impl MetricFamily {
    /// Creates a metric without values.
    pub fn new(name: &'static str, kind: MetricKind, help: &'static str) -> Self {
        Self {
            name,
            help,
            kind,
            samples: Vec::new(),
        }
    }

    /// Returns the metric with one more value.
    #[must_use]
    pub fn with(
        mut self,
        labels: Vec<(&'static str, Cow<'static, str>)>,
        value: SampleValue,
    ) -> Self {
        self.samples.push(Sample { labels, value });
        self
    }

    /// Returns the sum of the counts of the chosen samples.
    pub fn total(&self, is_chosen: impl Fn(&Sample) -> bool) -> u64 {
        let chosen = self.samples.iter().filter(|sample| is_chosen(sample));
        chosen.map(|sample| sample.value.count()).sum()
    }
}

impl Sample {
    /// Returns the value of a label. `None` if the sample has no such label.
    pub fn label(&self, name: &str) -> Option<&str> {
        let mut labels = self.labels.iter();
        labels
            .find(|(label, _)| *label == name)
            .map(|(_, value)| &**value)
    }
}

impl SampleValue {
    /// Returns the count, or the number of measurements of a histogram. 0 for a gauge that
    /// measures.
    pub fn count(&self) -> u64 {
        match self {
            Self::Count(count) => *count,
            Self::Number(_) => 0,
            Self::Histogram { buckets, .. } => buckets.iter().map(|(_, count)| count).sum(),
        }
    }

    /// Creates the value of a histogram of durations.
    pub(super) fn of_durations(bounds: &[Duration], buckets: &[u64], sum: Duration) -> Self {
        let bounds = bounds.iter().map(Duration::as_secs_f64);
        let bounds = bounds.chain([f64::INFINITY]);
        Self::Histogram {
            sum: sum.as_secs_f64(),
            buckets: bounds.zip(buckets.iter().copied()).collect(),
        }
    }
}
