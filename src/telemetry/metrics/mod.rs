//! The counters over all connections.
//!
//! No counter is shared by all threads for each message: a session counts its own messages, and
//! reports the sums whenever its connection starts to wait. Labels are taken from sets that are
//! fixed at the start, so no peer can add to them; in a set that may be large, labels beyond the
//! limit become `other`.

mod families;
mod family;
mod histogram;
mod metric_family;
mod tally;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::family::Family;
use self::histogram::{Histogram, MOMENTS};
pub use self::metric_family::{MetricFamily, MetricKind, Sample, SampleValue};
pub(crate) use self::tally::Tally;
use super::{Ending, Observers, Refusal, Refusals};

/// The counters over all connections. Counts never decrease, and gauges are computed from them.
#[derive(Debug)]
pub(crate) struct Metrics {
    kinds: Family<ConnectionKind, Tally>,
    counters: Arc<Counters>,
}

/// The counters that are not kept by kind of connection.
#[derive(Debug)]
pub(crate) struct Counters {
    closed: Family<KindOfEnding, AtomicU64>,
    refused: Family<(&'static str, u16), AtomicU64>,
    errors: Family<(&'static str, &'static str), AtomicU64>,
    requests: Family<(u16, &'static str), AtomicU64>,
    answers: Family<&'static str, Histogram>,
    upstreams: Family<Arc<str>, UpstreamTally>,
    tls: Family<(&'static str, &'static str), AtomicU64>,
    accept_errors: Family<&'static str, AtomicU64>,
    missed: Family<&'static str, AtomicU64>,
    refusals: Refusals,
    pub(crate) observers: Observers,
}

/// The protocol of a connection, its transport and its route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionKind {
    pub(crate) protocol: &'static str,
    /// Whether the protocol has pings.
    pub(crate) has_pings: bool,
    pub(crate) transport: &'static str,
    pub(crate) route: Option<Arc<str>>,
}

/// An [`Ending`], reduced to the distinctions of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct KindOfEnding {
    protocol: &'static str,
    by: &'static str,
    code: KindOfCode,
    clean: bool,
}

/// A close code, reduced to the distinctions of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum KindOfCode {
    /// A code of RFC 6455 §7.4.1, or of the registry of close codes.
    Known(u16),
    /// A code of libraries and frameworks (RFC 6455 §7.4.2).
    Registered,
    /// A code of applications.
    Private,
    Other,
}

impl From<&Ending> for KindOfEnding {
    fn from(ending: &Ending) -> Self {
        let Ending {
            protocol,
            by,
            code,
            clean,
        } = *ending;
        let code = match code {
            1000..=1015 => KindOfCode::Known(code),
            3000..=3999 => KindOfCode::Registered,
            4000..=4999 => KindOfCode::Private,
            _ => KindOfCode::Other,
        };
        Self {
            protocol,
            by,
            code,
            clean,
        }
    }
}

/// The counters of the connections to one upstream.
#[derive(Debug, Default)]
pub(crate) struct UpstreamTally {
    connected: AtomicU64,
    failed: AtomicU64,
    closed: AtomicU64,
    took: Histogram,
}

/// The label for all routes, upstreams and other values beyond a limit.
const OTHER: &str = "other";

/// The maximum number of distinct kinds of connections.
const KINDS: usize = 160;

/// The maximum number of distinct endings.
const ENDINGS: usize = 250;

/// The maximum number of distinct upstreams.
const UPSTREAMS: usize = 24;

impl Metrics {
    /// Creates counters at zero.
    pub(crate) fn new() -> Self {
        let counters = Arc::new(Counters::new());
        let of_tally = Arc::clone(&counters);
        let kinds = Family::making(
            KINDS,
            |kind: &ConnectionKind| ConnectionKind {
                route: Some(OTHER.into()),
                ..kind.clone()
            },
            move |kind| Tally::new(kind.clone(), Arc::clone(&of_tally)),
        );
        Self { kinds, counters }
    }

    /// Returns the counters that are not kept by kind of connection.
    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Registers a kind of connection, which is then reported before its first connection.
    pub(crate) fn expect(&self, kind: &ConnectionKind) {
        self.kinds.of(kind);
    }

    /// Sets the clock, in seconds, by which connections record since when they wait.
    pub(crate) fn set_clock(&self, seconds: u32) {
        for (_, tally) in self.kinds.all() {
            tally.set_clock(seconds);
        }
    }

    /// Counts an opened connection and the duration of its handshake.
    pub(crate) fn opened(&self, kind: &ConnectionKind, took: Duration) -> Arc<Tally> {
        let tally = self.kinds.of(kind);
        tally.opened.fetch_add(1, Ordering::Relaxed);
        tally.handshakes.observe(&MOMENTS, took);
        tally
    }
}

impl Counters {
    fn new() -> Self {
        Self {
            closed: Family::new(ENDINGS, |ending| KindOfEnding {
                code: KindOfCode::Other,
                ..*ending
            }),
            refused: Family::new(100, |_| (OTHER, 0)),
            errors: Family::new(120, |(protocol, _)| (*protocol, OTHER)),
            requests: Family::new(150, |(_, method)| (0, *method)),
            answers: Family::new(16, |_| OTHER),
            upstreams: Family::new(UPSTREAMS, |_| OTHER.into()),
            tls: Family::new(32, |_| (OTHER, OTHER)),
            accept_errors: Family::new(16, |_| OTHER),
            missed: Family::new(16, |_| OTHER),
            refusals: Refusals::default(),
            observers: Observers::default(),
        }
    }

    /// Counts an ended connection.
    fn closed(&self, ending: &Ending) {
        add_one(&self.closed.of(&ending.into()));
    }

    /// Counts a refused handshake, with the status of the answer. `None` for a connection closed
    /// without an answer.
    pub(crate) fn refused(&self, reason: &'static str, status: Option<u16>) {
        add_one(&self.refused.of(&(reason, status.unwrap_or(0))));
    }

    /// Counts a refusal, keeps it and notifies the observers.
    pub(crate) fn note_refusal(&self, refusal: Refusal) {
        self.refused(refusal.reason, refusal.status);
        let refusal = refusal.shortened();
        self.observers.tell(|observer| observer.refused(&refusal));
        self.refusals.push(refusal);
    }

    /// Returns the latest refusals, newest first.
    pub(crate) fn refusals(&self) -> Vec<Refusal> {
        self.refusals.last()
    }

    /// Counts an error of an open connection.
    pub(crate) fn protocol_error(&self, protocol: &'static str, kind: &'static str) {
        add_one(&self.errors.of(&(protocol, kind)));
    }

    /// Counts an ordinary request and the time until its answer.
    pub(crate) fn request(&self, method: &str, status: u16, took: Duration) {
        let method = METHODS.iter().find(|known| **known == method);
        let method = method.copied().unwrap_or(OTHER);
        add_one(&self.requests.of(&(status, method)));
        self.answers.of(&method).observe(&MOMENTS, took);
    }

    /// Counts a TLS handshake, with its version and its outcome.
    #[cfg(feature = "tls")]
    pub(crate) fn tls(&self, version: &'static str, outcome: &'static str) {
        add_one(&self.tls.of(&(version, outcome)));
    }

    /// Counts a connection that could not be accepted.
    pub(crate) fn accept_failed(&self, kind: &'static str) {
        add_one(&self.accept_errors.of(&kind));
    }

    /// Counts messages missed by slow readers.
    pub(crate) fn missed(&self, overflow: &'static str, count: u64) {
        self.missed
            .of(&overflow)
            .fetch_add(count, Ordering::Relaxed);
    }

    /// Returns the counters of the connections to the upstream with this name.
    pub(crate) fn upstream(&self, name: &Arc<str>) -> Arc<UpstreamTally> {
        self.upstreams.of(name)
    }
}

impl UpstreamTally {
    /// Counts an attempt to connect and its duration.
    pub(crate) fn connected(&self, is_connected: bool, took: Duration) {
        add_one(if is_connected {
            &self.connected
        } else {
            &self.failed
        });
        self.took.observe(&MOMENTS, took);
    }

    /// Counts an ended connection.
    pub(crate) fn closed(&self) {
        add_one(&self.closed);
    }
}

/// The methods that have their own label.
const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE",
];

fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
