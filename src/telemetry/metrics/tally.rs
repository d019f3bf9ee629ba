//! The counters of the connections of one kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use polysock_protocols::{SIZES, Sizes, Sum, Sums};

use super::histogram::{AGES, Histogram, MOMENTS};
use super::{ConnectionKind, Counters};
use crate::telemetry::{Ending, Traffic};

/// The number of threads that can count without contention.
const STRIPES: usize = 8;

static THREADS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The index of this thread's stripe.
    static STRIPE: usize = usize::try_from(THREADS.fetch_add(1, Ordering::Relaxed)).unwrap_or(0) % STRIPES;
}

/// The counters shared by the connections with one protocol, transport and route. Frequent counts
/// have a stripe for each thread.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) kind: ConnectionKind,
    /// The counters that are not kept by kind.
    pub(crate) counters: Arc<Counters>,
    /// The clock, in seconds, by which connections record since when they wait.
    clock: AtomicU32,
    pub(crate) opened: AtomicU64,
    pub(crate) closed: AtomicU64,
    pub(crate) handshakes: Histogram,
    pub(crate) ages: Histogram,
    /// The time until pings were answered.
    pub(crate) pings: Histogram,
    /// The number of times that output had to wait for a peer.
    pub(crate) pauses: AtomicU64,
    /// The traffic of closed connections.
    ended: [AtomicU64; 4],
    stripes: [Stripe; STRIPES],
}

/// The counts of one thread. Aligned so that no two stripes share a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe {
    received: Direction,
    sent: Direction,
}

#[derive(Debug, Default)]
struct Direction {
    texts: AtomicU64,
    payload: AtomicU64,
    sizes: [AtomicU64; SIZES],
}

impl Tally {
    /// Creates counters at zero.
    pub(super) fn new(kind: ConnectionKind, counters: Arc<Counters>) -> Self {
        Self {
            kind,
            counters,
            clock: AtomicU32::new(0),
            opened: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            handshakes: Histogram::default(),
            ages: Histogram::default(),
            pings: Histogram::default(),
            pauses: AtomicU64::new(0),
            ended: <[AtomicU64; 4]>::default(),
            stripes: <[Stripe; STRIPES]>::default(),
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> u32 {
        self.clock.load(Ordering::Relaxed)
    }

    pub(super) fn set_clock(&self, seconds: u32) {
        self.clock.store(seconds, Ordering::Relaxed);
    }

    /// Adds the sums that a connection reports.
    pub(crate) fn add(&self, sums: &Sums) {
        if let Some(Stripe { received, sent }) = self.stripe() {
            received.add(&sums.received);
            sent.add(&sums.sent);
        }
    }

    /// Adds the sizes of messages that a connection reports.
    pub(crate) fn add_sizes(&self, sizes: &Sizes) {
        if let Some(Stripe { received, sent }) = self.stripe() {
            received.add_sizes(&sizes.received);
            sent.add_sizes(&sizes.sent);
        }
    }

    /// Returns the stripe of this thread.
    fn stripe(&self) -> Option<&Stripe> {
        STRIPE.with(|stripe| self.stripes.get(*stripe))
    }

    /// Records the time from a ping to its pong.
    pub(crate) fn pong(&self, took: Duration) {
        self.pings.observe(&MOMENTS, took);
    }

    /// Counts an ended connection, with its age and its total traffic.
    pub(crate) fn end(&self, ending: &Ending, age: Duration, traffic: &Traffic) {
        for (total, more) in self.ended.iter().zip(traffic.counts()) {
            total.fetch_add(more, Ordering::Relaxed);
        }
        self.closed.fetch_add(1, Ordering::Relaxed);
        self.ages.observe(&AGES, age);
        self.counters.closed(ending);
    }

    /// Returns the traffic of closed connections.
    pub(crate) fn ended(&self) -> Traffic {
        Traffic::of(
            self.ended
                .each_ref()
                .map(|total| total.load(Ordering::Relaxed)),
        )
    }

    /// Returns the payload, texts and sizes of all connections, including open ones: received, then
    /// sent.
    pub(crate) fn sums(&self) -> [Totals; 2] {
        let mut sums = [Totals::default(); 2];
        let [received, sent] = &mut sums;
        for stripe in &self.stripes {
            stripe.received.add_to(received);
            stripe.sent.add_to(sent);
        }
        sums
    }
}

/// The totals of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) texts: u64,
    pub(crate) payload: u64,
    pub(crate) sizes: [u64; SIZES],
}

impl Totals {
    /// Adds other totals.
    pub(crate) fn add(&mut self, other: &Self) {
        self.texts += other.texts;
        self.payload += other.payload;
        for (size, more) in self.sizes.iter_mut().zip(other.sizes) {
            *size += more;
        }
    }
}

impl Direction {
    fn add(&self, sum: &Sum) {
        if sum.payload > 0 {
            self.payload.fetch_add(sum.payload, Ordering::Relaxed);
        }
        if sum.texts > 0 {
            self.texts.fetch_add(sum.texts, Ordering::Relaxed);
        }
    }

    fn add_sizes(&self, sizes: &[u32; SIZES]) {
        for (size, more) in self.sizes.iter().zip(sizes) {
            if *more > 0 {
                size.fetch_add((*more).into(), Ordering::Relaxed);
            }
        }
    }

    fn add_to(&self, totals: &mut Totals) {
        totals.add(&Totals {
            texts: self.texts.load(Ordering::Relaxed),
            payload: self.payload.load(Ordering::Relaxed),
            sizes: self
                .sizes
                .each_ref()
                .map(|size| size.load(Ordering::Relaxed)),
        });
    }
}
