//! The conversion of the counters to OpenMetrics families.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use polysock_protocols::SIZE_BOUNDS;

use super::histogram::{AGES, BOUNDS, Durations, MOMENTS};
use super::metric_family::{MetricFamily, MetricKind, SampleValue};
use super::tally::{Tally, Totals};
use super::{Counters, KindOfCode, KindOfEnding, Metrics, OTHER};
use crate::telemetry::Traffic;

type Labels = Vec<(&'static str, Cow<'static, str>)>;

/// The sums over the connections of one protocol.
#[derive(Default)]
struct OfProtocol {
    traffic: Traffic,
    sums: [Totals; 2],
    ages: Durations,
    /// The ping durations. `None` if the protocol has no pings.
    pings: Option<Durations>,
    handshakes: Durations,
}

impl Metrics {
    /// Returns the traffic of ended connections, by kind.
    pub(crate) fn ended(&self) -> Vec<(Arc<Tally>, Traffic)> {
        let kinds = self.kinds.all().into_iter();
        kinds
            .map(|(_, tally)| {
                let traffic = tally.ended();
                (tally, traffic)
            })
            .collect()
    }

    /// Returns all metrics. `ended` and `open` are the traffic, by kind, of ended and of open
    /// connections.
    pub(crate) fn families(
        &self,
        ended: &[(Arc<Tally>, Traffic)],
        open: &HashMap<*const Tally, Traffic>,
    ) -> Vec<MetricFamily> {
        let mut by_protocol = BTreeMap::<&'static str, OfProtocol>::new();
        let mut pauses = 0;
        for (tally, traffic) in ended {
            let of_protocol = by_protocol.entry(tally.kind.protocol).or_default();
            of_protocol.traffic.add(traffic);
            if let Some(traffic) = open.get(&Arc::as_ptr(tally)) {
                of_protocol.traffic.add(traffic);
            }
            for (sum, more) in of_protocol.sums.iter_mut().zip(tally.sums()) {
                sum.add(&more);
            }
            of_protocol.ages.add(&tally.ages.durations());
            if tally.kind.has_pings {
                let pings = of_protocol.pings.get_or_insert_default();
                pings.add(&tally.pings.durations());
            }
            of_protocol.handshakes.add(&tally.handshakes.durations());
            pauses += load(&tally.pauses);
        }
        let mut families = of_kinds(ended.iter().map(|(tally, _)| &**tally));
        families.extend(of_protocols(&by_protocol));
        families.extend(self.counters.families());
        families.push(
            counter(
                "polysock_backpressure_pauses",
                "Times that output had to wait for a slow reader",
            )
            .with(Vec::new(), SampleValue::Count(pauses)),
        );
        families
    }
}

impl Counters {
    fn families(&self) -> Vec<MetricFamily> {
        let mut closed = counter("polysock_connections_closed", "Connections that have ended");
        for (ending, count) in self.closed.all() {
            closed = closed.with(of_ending(ending), SampleValue::Count(load(&count)));
        }
        let mut refused = counter(
            "polysock_handshakes_refused",
            "Opening handshakes and connections that were refused",
        );
        for ((reason, status), count) in self.refused.all() {
            let status = match status {
                0 => "none".into(),
                status => number(status),
            };
            let labels = vec![("reason", reason.into()), ("status", status)];
            refused = refused.with(labels, SampleValue::Count(load(&count)));
        }
        let mut errors = counter(
            "polysock_protocol_errors",
            "Open connections whose peer violated the protocol, a limit or a deadline",
        );
        for ((protocol, kind), count) in self.errors.all() {
            let labels = vec![("protocol", protocol.into()), ("kind", kind.into())];
            errors = errors.with(labels, SampleValue::Count(load(&count)));
        }
        let mut requests = counter("polysock_http_requests", "Ordinary requests");
        for ((status, method), count) in self.requests.all() {
            let status = match status {
                0 => OTHER.into(),
                status => number(status),
            };
            let labels = vec![("status", status), ("method", method.into())];
            requests = requests.with(labels, SampleValue::Count(load(&count)));
        }
        let mut answers = MetricFamily::new(
            "polysock_http_request_duration_seconds",
            MetricKind::Histogram,
            "Duration of ordinary requests, up to the head of the answer, in seconds",
        );
        for (method, histogram) in self.answers.all() {
            let labels = vec![("method", method.into())];
            answers = answers.with(labels, durations(&MOMENTS, &histogram.durations()));
        }
        let mut tls = counter("polysock_tls_handshakes", "TLS handshakes");
        for ((version, outcome), count) in self.tls.all() {
            let labels = vec![("version", version.into()), ("outcome", outcome.into())];
            tls = tls.with(labels, SampleValue::Count(load(&count)));
        }
        let mut accept_errors = counter(
            "polysock_accept_errors",
            "Connections that could not be accepted",
        );
        for (kind, count) in self.accept_errors.all() {
            accept_errors = accept_errors.with(
                vec![("kind", kind.into())],
                SampleValue::Count(load(&count)),
            );
        }
        let mut missed = counter(
            "polysock_broadcast_missed",
            "Broadcast messages that slow readers have missed",
        );
        for (overflow, count) in self.missed.all() {
            missed = missed.with(
                vec![("overflow", overflow.into())],
                SampleValue::Count(load(&count)),
            );
        }
        let mut all = vec![
            closed,
            refused,
            errors,
            requests,
            answers,
            tls,
            accept_errors,
            missed,
        ];
        all.extend(self.of_upstreams());
        all
    }

    fn of_upstreams(&self) -> [MetricFamily; 3] {
        let mut open = gauge(
            "polysock_upstream_connections",
            "Open connections to an upstream",
        );
        let mut connects = counter(
            "polysock_upstream_connects",
            "Attempts to connect to an upstream",
        );
        let mut took = MetricFamily::new(
            "polysock_upstream_connect_duration_seconds",
            MetricKind::Histogram,
            "Duration of attempts to connect to an upstream, in seconds",
        );
        for (name, tally) in self.upstreams.all() {
            let labels = || vec![("upstream", Cow::Owned(String::from(&*name)))];
            let closed = load(&tally.closed);
            let connected = load(&tally.connected);
            open = open.with(
                labels(),
                SampleValue::Count(connected.saturating_sub(closed)),
            );
            for (outcome, count) in [("connected", connected), ("failed", load(&tally.failed))] {
                let mut labels = labels();
                labels.push(("outcome", outcome.into()));
                connects = connects.with(labels, SampleValue::Count(count));
            }
            took = took.with(labels(), durations(&MOMENTS, &tally.took.durations()));
        }
        [open, connects, took]
    }
}

fn of_kinds<'a>(tallies: impl Iterator<Item = &'a Tally>) -> Vec<MetricFamily> {
    let mut open = gauge("polysock_connections", "Open connections");
    let mut opened = counter(
        "polysock_connections_opened",
        "Connections that were opened",
    );
    for tally in tallies {
        let labels = || {
            let kind = &tally.kind;
            let route = kind.route.as_deref().unwrap_or_default();
            vec![
                ("protocol", kind.protocol.into()),
                ("transport", kind.transport.into()),
                ("route", String::from(route).into()),
            ]
        };
        // `closed` is read first: a connection opened and closed between the two reads must not
        // make the gauge too small.
        let closed = load(&tally.closed);
        let count = load(&tally.opened);
        open = open.with(labels(), SampleValue::Count(count.saturating_sub(closed)));
        opened = opened.with(labels(), SampleValue::Count(count));
    }
    vec![open, opened]
}

fn of_protocols(protocols: &BTreeMap<&'static str, OfProtocol>) -> Vec<MetricFamily> {
    let mut ages = MetricFamily::new(
        "polysock_connection_duration_seconds",
        MetricKind::Histogram,
        "Duration of connections that have ended, in seconds",
    );
    let mut handshakes = MetricFamily::new(
        "polysock_handshake_duration_seconds",
        MetricKind::Histogram,
        "Duration of opening handshakes, from the accepted connection to the answer, in seconds",
    );
    let mut pings = MetricFamily::new(
        "polysock_ping_duration_seconds",
        MetricKind::Histogram,
        "Time from a ping to its answer, in seconds",
    );
    let mut messages = counter("polysock_messages", "Messages");
    let mut payload = counter(
        "polysock_payload_bytes",
        "Payload bytes of messages, before compression",
    );
    let mut wire = counter(
        "polysock_wire_bytes",
        "Bytes on the wire, without the overhead of TLS",
    );
    let mut sizes = [(); 2].map(|()| ([0; SIZE_BOUNDS.len() + 2], 0));
    for (protocol, of) in protocols {
        let labels = || vec![("protocol", Cow::Borrowed(*protocol))];
        ages = ages.with(labels(), durations(&AGES, &of.ages));
        handshakes = handshakes.with(labels(), durations(&MOMENTS, &of.handshakes));
        if let Some(of_pings) = &of.pings {
            pings = pings.with(labels(), durations(&MOMENTS, of_pings));
        }
        let [received, sent, messages_received, messages_sent] = of.traffic.counts();
        let directions = [
            ("in", received, messages_received),
            ("out", sent, messages_sent),
        ];
        for ((direction, bytes, count), (sum, size)) in
            directions.into_iter().zip(of.sums.iter().zip(&mut sizes))
        {
            let labels = || {
                let mut labels = labels();
                labels.push(("direction", direction.into()));
                labels
            };
            // A connection reports its text messages before its total.
            let count = count.max(sum.texts);
            for (kind, count) in [("text", sum.texts), ("binary", count - sum.texts)] {
                let mut labels = labels();
                labels.push(("kind", kind.into()));
                messages = messages.with(labels, SampleValue::Count(count));
            }
            payload = payload.with(labels(), SampleValue::Count(sum.payload));
            wire = wire.with(labels(), SampleValue::Count(bytes));
            let long: u64 = sum.sizes.iter().sum();
            let (buckets, total) = size;
            for (bucket, more) in buckets
                .iter_mut()
                .zip([count.saturating_sub(long)].into_iter().chain(sum.sizes))
            {
                *bucket += more;
            }
            *total += sum.payload;
        }
    }
    let mut message_sizes = MetricFamily::new(
        "polysock_message_size_bytes",
        MetricKind::Histogram,
        "Payload size of messages, in bytes, before compression",
    );
    for (direction, (buckets, sum)) in ["in", "out"].into_iter().zip(sizes) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a double is what OpenMetrics has"
        )]
        let value = SampleValue::Histogram {
            sum: sum as f64,
            buckets: [125.0]
                .into_iter()
                .chain(SIZE_BOUNDS.map(|bound| bound as f64))
                .chain([f64::INFINITY])
                .zip(buckets)
                .collect(),
        };
        message_sizes = message_sizes.with(vec![("direction", direction.into())], value);
    }
    vec![
        ages,
        handshakes,
        pings,
        messages,
        payload,
        wire,
        message_sizes,
    ]
}

fn of_ending(ending: KindOfEnding) -> Labels {
    let code = match ending.code {
        KindOfCode::Known(code) => number(code),
        KindOfCode::Registered => "3xxx".into(),
        KindOfCode::Private => "4xxx".into(),
        KindOfCode::Other => OTHER.into(),
    };
    vec![
        ("protocol", ending.protocol.into()),
        ("by", ending.by.into()),
        ("code", code),
        ("clean", if ending.clean { "true" } else { "false" }.into()),
    ]
}

fn durations(bounds: &[std::time::Duration; BOUNDS], durations: &Durations) -> SampleValue {
    SampleValue::of_durations(bounds, &durations.buckets, durations.sum)
}

fn counter(name: &'static str, help: &'static str) -> MetricFamily {
    MetricFamily::new(name, MetricKind::Counter, help)
}

fn gauge(name: &'static str, help: &'static str) -> MetricFamily {
    MetricFamily::new(name, MetricKind::Gauge, help)
}

fn number(number: u16) -> Cow<'static, str> {
    number.to_string().into()
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
