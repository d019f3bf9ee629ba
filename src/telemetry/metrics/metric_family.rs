//! A metric with all its labels, as whoever writes a page of metrics gets it.

use std::borrow::Cow;
use std::time::Duration;

/// A metric with all its labels, by the data model of OpenMetrics 1.0.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricFamily {
    /// Its name, without `_total`: `polysock_messages`.
    pub name: &'static str,
    /// What it says, without a full stop.
    pub help: &'static str,
    /// What its values are.
    pub kind: MetricKind,
    /// Its values.
    pub samples: Vec<Sample>,
}

/// What the values of a metric are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// They only grow.
    Counter,
    /// They are what is now.
    Gauge,
    /// They are counts of what was measured.
    Histogram,
}

/// A value of a metric, and its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Names and values.
    pub labels: Vec<(&'static str, Cow<'static, str>)>,
    /// What it is.
    pub value: SampleValue,
}

/// A value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleValue {
    /// Of a counter, or of a gauge that counts.
    Count(u64),
    /// Of a gauge that measures.
    Number(f64),
    /// Of a histogram.
    Histogram {
        /// The sum of all that was measured.
        sum: f64,
        /// How often it was no more than this, and more than the bound before: the last of them is
        /// infinite.
        buckets: Vec<(f64, u64)>,
    },
}

impl MetricFamily {
    /// One without values.
    pub fn new(name: &'static str, kind: MetricKind, help: &'static str) -> Self {
        Self {
            name,
            help,
            kind,
            samples: Vec::new(),
        }
    }

    /// The same, with one value more.
    #[must_use]
    pub fn with(
        mut self,
        labels: Vec<(&'static str, Cow<'static, str>)>,
        value: SampleValue,
    ) -> Self {
        self.samples.push(Sample { labels, value });
        self
    }

    /// The sum of its counts over all labels that are chosen.
    pub fn total(&self, is_chosen: impl Fn(&Sample) -> bool) -> u64 {
        let chosen = self.samples.iter().filter(|sample| is_chosen(sample));
        chosen.map(|sample| sample.value.count()).sum()
    }
}

impl Sample {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        let mut labels = self.labels.iter();
        labels
            .find(|(label, _)| *label == name)
            .map(|(_, value)| &**value)
    }
}

impl SampleValue {
    /// How much was counted; how often something was measured.
    pub fn count(&self) -> u64 {
        match self {
            Self::Count(count) => *count,
            Self::Number(_) => 0,
            Self::Histogram { buckets, .. } => buckets.iter().map(|(_, count)| count).sum(),
        }
    }

    /// Of what was measured like this.
    pub(super) fn of_durations(bounds: &[Duration], buckets: &[u64], sum: Duration) -> Self {
        let bounds = bounds.iter().map(Duration::as_secs_f64);
        let bounds = bounds.chain([f64::INFINITY]);
        Self::Histogram {
            sum: sum.as_secs_f64(),
            buckets: bounds.zip(buckets.iter().copied()).collect(),
        }
    }
}
