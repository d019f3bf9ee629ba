//! The connections that are open, and what is counted of all of them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use polysock_protocols::CloseCode;

use super::budget::Budget;
use super::gateways::Gateways;
use super::row::Row;
use super::shutdown::{Shutdown, ShutdownSignal, gather, paced};
use super::signal::Signal;
use super::tap::Tapping;
use crate::telemetry::{
    ConnectionId, MetricFamily, Metrics, Observer, Refusal, SampleValue, Tally, Traffic,
};

/// How many connections are looked at before those who open one get their turn.
const SLICE: usize = 512;

/// The open connections of gateways, and what is counted of all that there ever were. Clones are the same,
/// and gateways may share one.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

/// Whether a connection is tapped.
type IsChosen = dyn Fn(&OpenConnection) -> bool + Send + Sync;

struct Shared {
    began: Instant,
    metrics: Metrics,
    /// Whether nobody is let in.
    is_draining: AtomicBool,
    /// Whose connections there are.
    gateways: Gateways,
    /// The taps that there are, and what each of them is of.
    taps: Mutex<Vec<(Arc<Tapping>, Box<IsChosen>)>>,
    /// How many there are.
    tap_count: AtomicUsize,
    /// What was told of counts that are put together while they change: none is ever told less.
    told: Mutex<HashMap<String, u64>>,
}

/// An open connection, as it was when it came to wait last.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenConnection {
    /// What it is called.
    pub id: ConnectionId,
    /// The protocol that it speaks.
    pub protocol: &'static str,
    /// What carries it: `tcp`, `unix`, `tls`, or a stream of HTTP/2, `h2` within TLS and `h2c` without.
    pub transport: &'static str,
    /// The name of the route that it came by.
    pub route: Option<Arc<str>>,
    /// Who is at its other end.
    pub peer: Option<String>,
    /// What it has asked for, without secrets.
    pub target: String,
    /// What it is connected to, without secrets.
    pub upstream: Option<String>,
    /// What its client says that it is.
    pub user_agent: Option<String>,
    /// The page that has opened it.
    pub origin: Option<String>,
    /// For how long it is open.
    pub age: Duration,
    /// For how long nothing has come or gone, to a second where somebody [ticks](Registry::tick).
    pub idle: Duration,
    /// What has been received and sent.
    pub traffic: Traffic,
    /// How much memory it holds beyond what every connection does, in bytes.
    pub held: u64,
    /// The code that it is asked to close with, if it is.
    pub closing: Option<CloseCode>,
    /// Whether somebody [taps](Registry::tap) it.
    pub is_tapped: bool,
}

impl Default for Registry {
    fn default() -> Self {
        let shared = Shared {
            began: Instant::now(),
            metrics: Metrics::new(),
            is_draining: AtomicBool::new(false),
            gateways: Gateways::default(),
            taps: Mutex::default(),
            tap_count: AtomicUsize::new(0),
            told: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Registry {
    /// Has the connections of a gateway be among these.
    pub(crate) fn watch(&self, connections: &Shutdown) {
        self.shared.gateways.add(connections);
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Has the clock go on by which it is told for how long connections are idle: to be called once a
    /// second by who wants to know.
    pub fn tick(&self) {
        let seconds = self.shared.began.elapsed().as_secs();
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX - 1);
        self.shared.metrics.set_clock(seconds.min(u32::MAX - 1));
    }

    /// Has this be told, for ever, of connections that come and go, and of those that are refused.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        self.shared.metrics.counters().observers.add(observer);
    }

    /// All that is counted.
    ///
    /// What open connections have received and sent is counted up to when they came to wait.
    pub fn families(&self) -> Vec<MetricFamily> {
        // Those that have ended come first: who ends meanwhile is in neither, and none is in both.
        let metrics = &self.shared.metrics;
        let ended = metrics.ended();
        let mut open = HashMap::<*const Tally, Traffic>::new();
        for signal in self.signals() {
            if let Some(row) = signal.open_row() {
                let traffic = open.entry(Arc::as_ptr(row.tally())).or_default();
                traffic.add(&row.traffic());
            }
        }
        let mut families = metrics.families(&ended, &open);
        let told = self.shared.told.lock();
        let mut told = told.unwrap_or_else(PoisonError::into_inner);
        for family in &mut families {
            if !matches!(family.name, "polysock_messages" | "polysock_wire_bytes") {
                continue;
            }
            for sample in &mut family.samples {
                let SampleValue::Count(count) = &mut sample.value else {
                    continue;
                };
                let mut name = String::from(family.name);
                for (_, value) in &sample.labels {
                    name.push(' ');
                    name.push_str(value);
                }
                let most = told.entry(name).or_default();
                *most = (*most).max(*count);
                *count = *most;
            }
        }
        families
    }

    /// The open connections that are chosen, in the order in which they came.
    pub fn connections(&self, is_chosen: impl Fn(&OpenConnection) -> bool) -> Vec<OpenConnection> {
        let now = self.now();
        let signals = self.signals();
        let connections = signals
            .iter()
            .filter_map(|signal| OpenConnection::of(signal, now));
        let mut connections: Vec<_> = connections.filter(is_chosen).collect();
        connections.sort_unstable_by_key(|connection| connection.id);
        connections
    }

    /// One open connection.
    pub fn connection(&self, id: ConnectionId) -> Option<OpenConnection> {
        OpenConnection::of(&*self.find(id)?, self.now())
    }

    /// Asks a connection to close with this code, or its like in the protocol that it speaks; whether it
    /// is there.
    pub fn close(&self, id: ConnectionId, code: CloseCode) -> bool {
        let signal = self.find(id);
        if let Some(signal) = &signal {
            signal.request(code);
        }
        signal.is_some()
    }

    /// Who was refused last, the newest first: up to a hundred.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.shared.metrics.counters().refusals()
    }

    /// Lets nobody in any more, or again: who comes is told 503, or GOAWAY in HTTP/2.
    pub fn set_draining(&self, is_draining: bool) {
        self.shared
            .is_draining
            .store(is_draining, Ordering::Relaxed);
    }

    /// Whether nobody is let in.
    pub fn is_draining(&self) -> bool {
        self.shared.is_draining.load(Ordering::Relaxed)
    }

    /// How many connections there are, those without a WebSocket included.
    pub fn count(&self) -> usize {
        self.signals().len()
    }

    /// Asks all connections to close with this code, or its like in the protocol that each speaks, so many a
    /// second: also those without a WebSocket. Returns how many were asked.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: those that were not asked yet stay.
    pub async fn close_all(&self, code: CloseCode, per_second: NonZeroU32) -> usize {
        let signals = self.signals();
        let count = signals.len();
        close_paced(signals, code, per_second).await;
        count
    }

    /// Asks these connections to close with this code, or its like in the protocol that each speaks, so many
    /// a second.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: those that were not asked yet stay.
    pub async fn close_each(
        &self,
        ids: Vec<ConnectionId>,
        code: CloseCode,
        per_second: NonZeroU32,
    ) {
        let ids: HashSet<_> = ids.into_iter().collect();
        let is_chosen = |signal: &Arc<Signal>| {
            let row = signal.open_row();
            row.is_some_and(|row| ids.contains(&row.facts().id))
        };
        let chosen = self.signals().into_iter().filter(is_chosen).collect();
        close_paced(chosen, code, per_second).await;
    }

    /// How many taps there are.
    pub fn taps(&self) -> usize {
        self.shared.tap_count.load(Ordering::Relaxed)
    }

    /// Taps the connections that are chosen, from now on.
    pub(super) fn begin_tap(
        &self,
        tapping: &Arc<Tapping>,
        is_chosen: impl Fn(&OpenConnection) -> bool + Send + Sync + 'static,
    ) {
        let mut taps = self.lock_taps();
        // Who opens one meanwhile waits for this.
        self.shared.tap_count.fetch_add(1, Ordering::Relaxed);
        let now = self.now();
        for signal in self.signals() {
            if OpenConnection::of(&signal, now).is_some_and(|connection| is_chosen(&connection)) {
                signal.tap(tapping);
            }
        }
        taps.push((Arc::clone(tapping), Box::new(is_chosen)));
    }

    /// Lets the connections of a tap go.
    pub(super) fn end_tap(&self, tapping: &Arc<Tapping>) {
        let mut taps = self.lock_taps();
        taps.retain(|(other, _)| !Arc::ptr_eq(other, tapping));
        self.shared.tap_count.store(taps.len(), Ordering::Relaxed);
        for signal in self.signals() {
            signal.untap(tapping);
        }
    }

    /// Has a connection that has just opened be tapped, where a tap is for it.
    pub(crate) fn offer_to_taps(&self, signal: &ShutdownSignal) {
        let taps = self.lock_taps();
        let connection = OpenConnection::of(signal.signal(), self.now());
        let is_for = |connection: &OpenConnection| {
            let mut taps = taps.iter();
            taps.find(|(_, is_chosen)| is_chosen(connection))
        };
        if let Some((tapping, _)) = connection.as_ref().and_then(is_for) {
            signal.signal().tap(tapping);
        }
    }

    fn lock_taps(&self) -> MutexGuard<'_, Vec<(Arc<Tapping>, Box<IsChosen>)>> {
        // A filter that panics leaves the list as it was.
        let taps = self.shared.taps.lock();
        taps.unwrap_or_else(PoisonError::into_inner)
    }

    /// The second that it is.
    fn now(&self) -> u64 {
        self.shared.began.elapsed().as_secs()
    }

    fn find(&self, id: ConnectionId) -> Option<Arc<Signal>> {
        let is_it = |row: &Row| row.facts().id == id;
        let mut signals = self.signals().into_iter();
        signals.find(|signal| signal.open_row().is_some_and(is_it))
    }

    /// All connections, those without a WebSocket included.
    fn signals(&self) -> Vec<Arc<Signal>> {
        let gateways = self.shared.gateways.lock();
        let gateways: Vec<_> = gateways.iter().filter_map(Weak::upgrade).collect();
        let signals = gateways.iter().map(|gateway| gather(gateway, SLICE));
        signals.flatten().collect()
    }
}

/// Asks these connections to close with this code, so many a second.
async fn close_paced(signals: Vec<Arc<Signal>>, code: CloseCode, per_second: NonZeroU32) {
    let turn = |number: u32| Duration::from_secs(number.into()) / per_second.get();
    paced(signals, turn, |signal| signal.request(code)).await;
}

impl OpenConnection {
    /// What is known of one that is open, at this second.
    fn of(signal: &Signal, now: u64) -> Option<Self> {
        let row = signal.row()?;
        let waits_since = row.waits_since()?;
        let described = row.described();
        let age = described.age;
        let idle = Duration::from_secs(now.saturating_sub(waits_since.into()));
        Some(Self {
            id: described.id,
            protocol: described.protocol,
            transport: described.transport,
            route: row.tally().kind.route.clone(),
            peer: described.peer.map(Into::into),
            target: described.target.into(),
            upstream: described.upstream.map(Into::into),
            user_agent: described.user_agent.map(Into::into),
            origin: described.origin.map(Into::into),
            age,
            idle: idle.min(age),
            traffic: row.traffic(),
            held: Budget::bytes(signal.held()),
            closing: signal.close_requested(),
            is_tapped: signal.tapping().is_some(),
        })
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}
