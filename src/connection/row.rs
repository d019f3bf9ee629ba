//! The published state of an open connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use polysock_protocols::{Request, Session};

use crate::telemetry::{ConnectionKind, Described, Ending, Facts, Metrics, Tally, Traffic};

/// The published state of an open connection. Small, as every connection has one.
#[derive(Debug)]
pub(crate) struct Row {
    facts: Facts,
    /// The counters for all connections of the same kind.
    tally: Arc<Tally>,
    /// The traffic, as of the last time that the connection began to wait.
    traffic: [AtomicU64; 4],
    /// The time at which the connection last began to wait, by the clock of the tally. [`ENDED`]
    /// once the connection has ended.
    waits_since: AtomicU32,
}

/// The value of `waits_since` of a connection that has ended.
const ENDED: u32 = u32::MAX;

impl Row {
    /// Creates the row of a connection whose handshake was accepted. `took` is the duration of the
    /// handshake. The connection is counted, and observers are notified.
    pub(crate) fn opened(
        facts: Facts,
        metrics: &Metrics,
        kind: &ConnectionKind,
        (request, took): (&Request, Duration),
    ) -> Self {
        let tally = metrics.opened(kind, took);
        let row = Self {
            facts,
            waits_since: AtomicU32::new(tally.now()),
            tally,
            traffic: [0; 4].map(AtomicU64::new),
        };
        let observers = &row.tally.counters.observers;
        observers.tell(|observer| observer.opened(&row.described(), request, took));
        row
    }

    /// Returns the facts known since the opening handshake.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Returns the description for observers and the registry.
    pub(super) fn described(&self) -> Described<'_> {
        let (facts, kind) = (&self.facts, &self.tally.kind);
        let [peer, route, target, upstream, user_agent, origin, _] = facts.texts();
        Described {
            id: facts.id,
            protocol: kind.protocol,
            transport: kind.transport,
            route,
            peer,
            target: target.unwrap_or_default(),
            upstream,
            user_agent,
            origin,
            trace_parent: facts.trace_parent(),
            age: facts.opened.elapsed(),
        }
    }

    pub(crate) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Returns the traffic, as of the last time that the connection began to wait.
    pub(super) fn traffic(&self) -> Traffic {
        let counts = self.traffic.each_ref();
        Traffic::of(counts.map(|count| count.load(Ordering::Relaxed)))
    }

    /// Returns the time since which the connection waits, by the clock of the tally. `None` once it
    /// has ended.
    pub(super) fn waits_since(&self) -> Option<u32> {
        Some(self.waits_since.load(Ordering::Relaxed)).filter(|since| *since != ENDED)
    }

    /// Publishes the traffic so far, as the connection begins to wait.
    #[inline]
    pub(super) fn publish(&self, traffic: Traffic) {
        for (place, count) in self.traffic.iter().zip(traffic.counts()) {
            place.store(count, Ordering::Relaxed);
        }
        self.waits_since.store(self.tally.now(), Ordering::Relaxed);
    }

    /// Counts the messages that a session has received and sent since the last call.
    #[inline]
    pub(super) fn count(&self, session: &mut Session) {
        if let Some(sums) = session.take_sums() {
            self.tally.add(&sums);
        }
        if let Some(sizes) = session.take_sizes() {
            self.tally.add_sizes(&sizes);
        }
    }

    /// Records the end of the connection, and its total traffic.
    pub(super) fn end(&self, ending: &Ending, traffic: Traffic) {
        // From now on the connection is counted as ended, and no longer as open.
        self.waits_since.store(ENDED, Ordering::Relaxed);
        self.tally
            .end(ending, self.facts.opened.elapsed(), &traffic);
        let observers = &self.tally.counters.observers;
        observers.tell(|observer| observer.closed(&self.described(), ending, &traffic));
    }
}
