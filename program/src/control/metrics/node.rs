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
                "Whether the server is connected to the broker of its bus",
            ),
            u64::from(of.is_connected),
        ),
        count(
            gauge(
                "polysock_bus_nodes",
                "Other servers on the bus that were heard recently",
            ),
            of.others as u64,
        ),
        count(
            counter("polysock_bus_connections", "Connections made to the broker"),
            tally.connected,
        ),
        count(
            counter("polysock_bus_published", "Publications of this server"),
            tally.published,
        ),
        count(
            counter(
                "polysock_bus_received",
                "New publications received from other servers",
            ),
            tally.received,
        ),
        count(
            counter(
                "polysock_bus_filled",
                "Received publications that were missed at first and then fetched from the broker's history",
            ),
            tally.filled,
        ),
        count(
            counter(
                "polysock_bus_duplicates",
                "Duplicate publications that were received and discarded",
            ),
            tally.again,
        ),
        count(
            counter(
                "polysock_bus_gaps",
                "Occurrences of irrecoverable loss of publications",
            ),
            tally.gaps,
        ),
        count(
            counter(
                "polysock_bus_lost",
                "Publications that were lost, as far as their number is known",
            ),
            tally.lost,
        ),
        count(
            counter(
                "polysock_bus_dropped",
                "Publications of this server that were dropped because too many waited for the broker",
            ),
            tally.dropped,
        ),
        count(
            counter(
                "polysock_bus_refused",
                "Publications of this server that the broker refused",
            ),
            tally.refused,
        ),
        count(
            counter(
                "polysock_bus_unreadable",
                "Messages of other servers that could not be read",
            ),
            tally.unreadable,
        ),
    ]
}
