//! Metrics of a server that shares a bus with others.

use polysock::{MetricFamily, NodeState, SampleValue};

use super::{counter, gauge};

/// Returns the metrics of the bus.
pub(super) fn families(of: &NodeState) -> Vec<MetricFamily> {
    let count = |family: MetricFamily, count| family.with(Vec::new(), SampleValue::Count(count));
    let tally = &of.tally;
    vec![
        count(
            gauge(
                "polysock_bus_connected",
                "Whether the broker that joins this server to others is connected",
            ),
            u64::from(of.is_connected),
        ),
        count(
            gauge("polysock_bus_nodes", "Other servers that were heard lately"),
            of.others as u64,
        ),
        count(
            counter("polysock_bus_connections", "Connections to the broker"),
            tally.connected,
        ),
        count(
            counter("polysock_bus_published", "What was published here"),
            tally.published,
        ),
        count(
            counter(
                "polysock_bus_received",
                "What was published on other servers and came here",
            ),
            tally.received,
        ),
        count(
            counter(
                "polysock_bus_filled",
                "Of what came here: what was missed at first, and had from the broker's history",
            ),
            tally.filled,
        ),
        count(
            counter(
                "polysock_bus_duplicates",
                "What came again, and was left out",
            ),
            tally.again,
        ),
        count(
            counter(
                "polysock_bus_gaps",
                "How often something was missing that nobody will get",
            ),
            tally.gaps,
        ),
        count(
            counter(
                "polysock_bus_lost",
                "How many publications were missing, as far as that is known",
            ),
            tally.lost,
        ),
        count(
            counter(
                "polysock_bus_dropped",
                "What was published here and dropped, as too much waited for the broker",
            ),
            tally.dropped,
        ),
        count(
            counter(
                "polysock_bus_refused",
                "What was published here and the broker did not take",
            ),
            tally.refused,
        ),
        count(
            counter(
                "polysock_bus_unreadable",
                "What came from other servers and could not be read",
            ),
            tally.unreadable,
        ),
    ]
}
