//! What others may know of a connection while it is open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use polysock_protocols::{Request, Session};

use crate::telemetry::{ConnectionKind, Described, Ending, Facts, Metrics, Tally, Traffic};

/// What others may know of a connection while it is open. Small: every connection has one.
#[derive(Debug)]
pub(crate) struct Row {
    facts: Facts,
    /// Where it is counted, with all others of its kind.
    tally: Arc<Tally>,
    /// What had been received and sent when the connection came to wait.
    traffic: [AtomicU64; 4],
    /// When that was, by the clock of the tally; [`ENDED`] once it has ended.
    waits_since: AtomicU32,
}

/// Stands for the time since when a connection waits that has ended.
const ENDED: u32 = u32::MAX;

impl Row {
    /// That of a connection of this kind whose handshake was accepted after this time. It is counted, and
    /// told of.
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

    /// What is known from its opening handshake on.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What is known of it.
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

    /// What had been received and sent when it came to wait.
    pub(super) fn traffic(&self) -> Traffic {
        let counts = self.traffic.each_ref();
        Traffic::of(counts.map(|count| count.load(Ordering::Relaxed)))
    }

    /// Since when it waits, by the clock of the tally; `None` once it has ended.
    pub(super) fn waits_since(&self) -> Option<u32> {
        Some(self.waits_since.load(Ordering::Relaxed)).filter(|since| *since != ENDED)
    }

    /// Notes what has been received and sent so far, as the connection comes to wait.
    #[inline]
    pub(super) fn publish(&self, traffic: Traffic) {
        for (place, count) in self.traffic.iter().zip(traffic.counts()) {
            place.store(count, Ordering::Relaxed);
        }
        self.waits_since.store(self.tally.now(), Ordering::Relaxed);
    }

    /// Counts what a session has received and sent since it was asked before.
    #[inline]
    pub(super) fn count(&self, session: &mut Session) {
        if let Some(sums) = session.take_sums() {
            self.tally.add(&sums);
        }
        if let Some(sizes) = session.take_sizes() {
            self.tally.add_sizes(&sizes);
        }
    }

    /// Notes that it has ended like this, having received and sent this.
    pub(super) fn end(&self, ending: &Ending, traffic: Traffic) {
        // From now on it is counted with those that have ended, and not with those that are open.
        self.waits_since.store(ENDED, Ordering::Relaxed);
        self.tally
            .end(ending, self.facts.opened.elapsed(), &traffic);
        let observers = &self.tally.counters.observers;
        observers.tell(|observer| observer.closed(&self.described(), ending, &traffic));
    }
}
