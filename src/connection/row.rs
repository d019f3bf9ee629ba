//! What others may know of a connection while it is open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use polysock_protocols::Session;

use crate::telemetry::{Ending, Facts, Tally, Traffic};

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
    pub(crate) fn new(facts: Facts, tally: Arc<Tally>) -> Self {
        Self {
            facts,
            waits_since: AtomicU32::new(tally.now()),
            tally,
            traffic: [0; 4].map(AtomicU64::new),
        }
    }

    /// What is known from its opening handshake on.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
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
    }
}
