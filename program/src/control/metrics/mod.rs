//! Metrics for Prometheus.

mod exposition;
mod node;
mod process;

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use polysock::{MetricFamily, MetricKind, SampleValue};

pub(super) use self::exposition::{Text, written};
use super::state::State;
use crate::{log, spans};

/// Returns all metrics.
pub(super) fn families(state: &State) -> Vec<MetricFamily> {
    let mut families = vec![build_info()];
    families.extend(state.registry.families());
    families.extend(server(&of_server(state)));
    families.extend(state.node().iter().flat_map(node::families));
    families.extend(process::families());
    families
}

fn build_info() -> MetricFamily {
    let labels = vec![
        ("version", env!("CARGO_PKG_VERSION").into()),
        (
            "revision",
            option_env!("POLYSOCK_REVISION").unwrap_or("unknown").into(),
        ),
        ("rustc", env!("POLYSOCK_RUSTC").into()),
    ];
    gauge(
        "polysock_build_info",
        "Version, revision and compiler of the running program",
    )
    .with(labels, SampleValue::Count(1))
}

/// The metrics of a server that are not about its connections.
#[derive(Debug, Default)]
struct Server {
    is_draining: bool,
    is_ready: bool,
    max_connections: u64,
    held: u64,
    taps: u64,
    lost: u64,
    lost_spans: u64,
    reloads: [(&'static str, u64); 2],
    last_reload: f64,
    /// The expiry time of each certificate, in seconds since 1970.
    certificates: Vec<(String, f64)>,
}

fn of_server(state: &State) -> Server {
    Server {
        is_draining: state.registry.is_draining(),
        is_ready: state.is_ready(),
        max_connections: state.max_connections as u64,
        held: state.budget.held(),
        taps: state.registry.taps() as u64,
        lost: log::lost(),
        lost_spans: spans::lost(),
        reloads: state.reloads.counts(),
        last_reload: seconds(state.reloads.last_success()),
        certificates: (state.facts().certificates.0)()
            .into_iter()
            .map(|(name, ends)| (name, seconds(ends)))
            .collect(),
    }
}

fn server(of: &Server) -> Vec<MetricFamily> {
    let count = |family: MetricFamily, count| family.with(Vec::new(), SampleValue::Count(count));
    let is = |family: MetricFamily, is| count(family, u64::from(is));
    let mut reloads = counter(
        "polysock_config_reloads",
        "Attempts to reload the configuration",
    );
    for (outcome, times) in of.reloads {
        reloads = reloads.with(vec![("outcome", outcome.into())], SampleValue::Count(times));
    }
    let mut certificates = gauge(
        "polysock_tls_certificate_not_after_seconds",
        "Expiry time of a certificate, in seconds since 1970",
    );
    for (name, ends) in &of.certificates {
        let labels = vec![("name", Cow::Owned(name.clone()))];
        certificates = certificates.with(labels, SampleValue::Number(*ends));
    }
    vec![
        certificates,
        is(
            gauge(
                "polysock_draining",
                "Whether the server refuses new clients and closes its connections",
            ),
            of.is_draining,
        ),
        is(
            gauge(
                "polysock_ready",
                "Whether load balancers may send clients to this server",
            ),
            of.is_ready,
        ),
        count(
            gauge(
                "polysock_limit_connections",
                "Maximum number of open connections",
            ),
            of.max_connections,
        ),
        count(
            gauge(
                "polysock_buffered_bytes",
                "Memory for unfinished messages, unsent output and compression, in bytes",
            ),
            of.held,
        ),
        count(
            gauge("polysock_taps", "Active taps on connections"),
            of.taps,
        ),
        count(
            counter(
                "polysock_log_lines_lost",
                "Log lines that were lost because the queue was full or a write failed",
            ),
            of.lost,
        ),
        count(
            counter(
                "polysock_spans_lost",
                "Spans that were lost because the queue was full or the collector did not accept them",
            ),
            of.lost_spans,
        ),
        reloads,
        gauge(
            "polysock_config_last_reload_success_timestamp_seconds",
            "Time of the last successful reload, or of the start, in seconds since 1970",
        )
        .with(Vec::new(), SampleValue::Number(of.last_reload)),
    ]
}

fn counter(name: &'static str, help: &'static str) -> MetricFamily {
    MetricFamily::new(name, MetricKind::Counter, help)
}

fn gauge(name: &'static str, help: &'static str) -> MetricFamily {
    MetricFamily::new(name, MetricKind::Gauge, help)
}

/// The seconds since 1970.
fn seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs_f64()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use polysock::Registry;

    use super::*;

    /// The documented metrics: name, type and description.
    fn documented() -> Vec<(String, String, String)> {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        let text = std::fs::read_to_string(file).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        rows.map(|row| {
            let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
            let cell = |number: usize| cells[number].to_owned();
            (cell(0).replace('`', ""), cell(1), cell(3))
        })
        .collect()
    }

    #[test]
    fn exactly_the_existing_metrics_are_documented() {
        let mut families = Registry::default().families();
        families.push(build_info());
        families.extend(process::families());
        families.extend(server(&Server::default()));
        families.extend(node::families(&polysock::NodeState::default()));
        let mut families: Vec<_> = families
            .iter()
            .map(|family| {
                let kind = match family.kind {
                    MetricKind::Counter => "counter",
                    MetricKind::Gauge => "gauge",
                    MetricKind::Histogram => "histogram",
                };
                (
                    family.name.to_owned(),
                    kind.to_owned(),
                    family.help.to_owned(),
                )
            })
            .collect();
        let mut documented = documented();
        families.sort();
        documented.sort();
        assert_eq!(documented, families);
    }
}
