//! The two text formats of Prometheus.
//!
//! One generator writes OpenMetrics 1.0. The older format differs in three things: the name of a
//! counter's family is that of its samples, there are no units, and there is no end marker.

use std::fmt::Write as _;

use polysock::{MetricFamily, MetricKind, SampleValue};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::control) enum Text {
    OpenMetrics,
    /// Prometheus' own format, version 0.0.4.
    Prometheus,
}

impl Text {
    /// Selects the format by an `Accept` field.
    pub(in crate::control) fn wanted(accept: Option<&str>) -> Self {
        let is_wanted =
            accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        if is_wanted {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    pub(in crate::control) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Renders metrics as text.
pub(in crate::control) fn written(families: Vec<MetricFamily>, text: Text) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families)));
    let mut open_metrics = String::new();
    // Writing to memory cannot fail.
    let _ = encode(&mut open_metrics, &registry);
    match text {
        Text::OpenMetrics => open_metrics,
        Text::Prometheus => older(&open_metrics),
    }
}

/// Metric families that are already collected.
#[derive(Debug)]
struct Families(Vec<MetricFamily>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for family in &self.0 {
            let kind = match family.kind {
                MetricKind::Counter => MetricType::Counter,
                MetricKind::Gauge => MetricType::Gauge,
                MetricKind::Histogram => MetricType::Histogram,
            };
            let mut encoder = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            if let [sample] = &*family.samples
                && sample.labels.is_empty()
            {
                Value(&sample.value, kind).encode(encoder)?;
                continue;
            }
            for sample in &family.samples {
                let labels = sample.labels.iter();
                let labels: Vec<_> = labels.map(|(name, value)| (*name, &**value)).collect();
                Value(&sample.value, kind).encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// A value, with the type that it is written as.
struct Value<'a>(&'a SampleValue, MetricType);

impl EncodeMetric for Value<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        match (self.0, self.1) {
            (SampleValue::Count(count), MetricType::Counter) => {
                encoder.encode_counter::<NoLabelSet, _, u64>(count, None)
            }
            (SampleValue::Count(count), _) => encoder.encode_gauge(count),
            (SampleValue::Number(number), MetricType::Counter) => {
                encoder.encode_counter::<NoLabelSet, _, u64>(number, None)
            }
            (SampleValue::Number(number), _) => encoder.encode_gauge(number),
            (SampleValue::Histogram { sum, buckets }, _) => {
                let count = self.0.count();
                encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
            }
        }
    }

    fn metric_type(&self) -> MetricType {
        self.1
    }
}

/// Converts OpenMetrics to the older format.
fn older(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut counters = Vec::new();
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ")
            && let Some(name) = rest.strip_suffix(" counter")
        {
            counters.push(name);
        }
    }
    for line in open_metrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let about = ["# HELP ", "# TYPE "]
            .iter()
            .find_map(|start| Some((*start, line.strip_prefix(start)?)));
        match about.and_then(|(start, rest)| Some((start, rest.split_once(' ')?))) {
            Some((start, (name, rest))) if counters.contains(&name) => {
                let _ = writeln!(text, "{start}{name}_total {rest}");
            }
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<MetricFamily> {
        let counter = MetricFamily::new("polysock_messages", MetricKind::Counter, "Messages")
            .with(vec![("kind", "te\"xt\n\\".into())], SampleValue::Count(7));
        let gauge = MetricFamily::new("polysock_ready", MetricKind::Gauge, "Whether it is")
            .with(Vec::new(), SampleValue::Count(1));
        let histogram = MetricFamily::new("polysock_age_seconds", MetricKind::Histogram, "Ages")
            .with(
                vec![("protocol", "hixie-76".into())],
                SampleValue::Histogram {
                    sum: 1.5,
                    buckets: vec![(0.5, 1), (1.0, 2), (f64::INFINITY, 3)],
                },
            );
        vec![counter, gauge, histogram]
    }

    #[test]
    fn both_exposition_formats_have_the_same_values() {
        let expected = "\
# HELP polysock_messages Messages
# TYPE polysock_messages counter
polysock_messages_total{kind=\"te\\\"xt\\n\\\\\"} 7
# HELP polysock_ready Whether it is
# TYPE polysock_ready gauge
polysock_ready 1
# HELP polysock_age_seconds Ages
# TYPE polysock_age_seconds histogram
polysock_age_seconds_sum{protocol=\"hixie-76\"} 1.5
polysock_age_seconds_count{protocol=\"hixie-76\"} 6
polysock_age_seconds_bucket{le=\"0.5\",protocol=\"hixie-76\"} 1
polysock_age_seconds_bucket{le=\"1.0\",protocol=\"hixie-76\"} 3
polysock_age_seconds_bucket{le=\"+Inf\",protocol=\"hixie-76\"} 6
# EOF
";
        assert_eq!(written(families(), Text::OpenMetrics), expected);
        let older = expected
            .replace("HELP polysock_messages ", "HELP polysock_messages_total ")
            .replace("TYPE polysock_messages ", "TYPE polysock_messages_total ")
            .replace("# EOF\n", "");
        assert_eq!(written(families(), Text::Prometheus), older);
    }

    #[test]
    fn the_accept_field_selects_the_exposition_format() {
        for (accept, expected) in [
            (None, Text::Prometheus),
            (Some("*/*"), Text::Prometheus),
            (
                Some("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
                Text::Prometheus,
            ),
            (
                Some(
                    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
                ),
                Text::OpenMetrics,
            ),
        ] {
            assert_eq!(Text::wanted(accept), expected, "{accept:?}");
        }
    }
}
