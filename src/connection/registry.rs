//! The registry of open connections, and the metrics of all connections.

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
use super::tap::TapLink;
use crate::telemetry::{
    ConnectionId, MetricFamily, Metrics, Observer, Refusal, SampleValue, Tally, Traffic,
};

/// The number of connections that are collected under one lock, so that new ones can be registered
/// in between.
const SLICE: usize = 512;

/// The open connections of gateways, and the metrics of all that there have been. Clones share
/// them, and so may gateways.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

/// A filter that selects the connections to tap.
type IsChosen = dyn Fn(&OpenConnection) -> bool + Send + Sync;

struct Shared {
    began: Instant,
    metrics: Metrics,
    /// True while new clients are refused.
    is_draining: AtomicBool,
    /// The gateways whose connections are registered.
    gateways: Gateways,
    /// The active taps, each with the filter that selects its connections.
    taps: Mutex<Vec<(Arc<TapLink>, Box<IsChosen>)>>,
    /// The number of taps.
    tap_count: AtomicUsize,
    /// The highest reported value of each counter that is summed up while it changes. Reported
    /// values never decrease.
    told: Mutex<HashMap<String, u64>>,
}

/// An open connection, as of the last time that it began to wait.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenConnection {
    /// The identifier of the connection.
    pub id: ConnectionId,
    /// The protocol of the connection.
    pub protocol: &'static str,
    /// The transport: `tcp`, `unix`, `tls`, or a stream of HTTP/2, which is `h2` over TLS and `h2c`
    /// without.
    pub transport: &'static str,
    /// The name of the matched route; `None` if it has none.
    pub route: Option<Arc<str>>,
    /// The address of the client; `None` if its transport has none.
    pub peer: Option<String>,
    /// The target of the request, without secrets.
    pub target: String,
    /// The upstream of the connection, without secrets; `None` if there is none.
    pub upstream: Option<String>,
    /// The `User-Agent` that the client sent; `None` if it sent none.
    pub user_agent: Option<String>,
    /// The `Origin` of the page that opened the connection; `None` if it was not sent.
    pub origin: Option<String>,
    /// The time since the connection opened.
    pub age: Duration,
    /// The time since the last traffic, to the second, provided that [`tick`](Registry::tick) is
    /// called.
    pub idle: Duration,
    /// The traffic received and sent.
    pub traffic: Traffic,
    /// The memory that the connection holds beyond its fixed size, in bytes.
    pub held: u64,
    /// The code of a requested close; `None` if no close was requested.
    pub closing: Option<CloseCode>,
    /// True if the connection is [tapped](Registry::tap).
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
    /// Registers the connections of a gateway.
    pub(crate) fn watch(&self, connections: &Shutdown) {
        self.shared.gateways.add(connections);
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Advances the clock by which idle times are measured. Call it once a second if idle times are
    /// needed.
    pub fn tick(&self) {
        let seconds = self.shared.began.elapsed().as_secs();
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX - 1);
        self.shared.metrics.set_clock(seconds.min(u32::MAX - 1));
    }

    /// Registers an observer, permanently, of opened, closed and refused connections.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        self.shared.metrics.counters().observers.add(observer);
    }

    /// Returns all metrics.
    ///
    /// The traffic of an open connection is counted up to the last time that it began to wait.
    pub fn families(&self) -> Vec<MetricFamily> {
        // Ended connections are read first: a connection that ends meanwhile is in neither sum, and
        // none is in both.
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

    /// Returns the open connections that the filter selects, in the order in which they opened.
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

    /// Returns one open connection.
    pub fn connection(&self, id: ConnectionId) -> Option<OpenConnection> {
        OpenConnection::of(&*self.find(id)?, self.now())
    }

    /// Asks a connection to close with this code, or its equivalent in the connection's protocol.
    /// Returns true if the connection exists.
    pub fn close(&self, id: ConnectionId, code: CloseCode) -> bool {
        let signal = self.find(id);
        if let Some(signal) = &signal {
            signal.request(code);
        }
        signal.is_some()
    }

    /// Returns the latest refusals, newest first: up to a hundred.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.shared.metrics.counters().refusals()
    }

    /// Starts or stops draining. While it lasts, new clients are refused with 503, or GOAWAY in
    /// HTTP/2.
    pub fn set_draining(&self, is_draining: bool) {
        self.shared
            .is_draining
            .store(is_draining, Ordering::Relaxed);
    }

    /// True while new clients are refused.
    pub fn is_draining(&self) -> bool {
        self.shared.is_draining.load(Ordering::Relaxed)
    }

    /// Returns the number of connections, including those without a WebSocket.
    pub fn count(&self) -> usize {
        self.signals().len()
    }

    /// Asks all connections to close with this code, or its equivalent in each protocol,
    /// `per_second` of them a second. Connections without a WebSocket are included. Returns the
    /// number of connections asked.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: connections that were not asked yet stay open.
    pub async fn close_all(&self, code: CloseCode, per_second: NonZeroU32) -> usize {
        let signals = self.signals();
        let count = signals.len();
        close_paced(signals, code, per_second).await;
        count
    }

    /// Asks these connections to close with this code, or its equivalent in each protocol,
    /// `per_second` of them a second.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: connections that were not asked yet stay open.
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

    /// Returns the number of taps.
    pub fn taps(&self) -> usize {
        self.shared.tap_count.load(Ordering::Relaxed)
    }

    /// Taps the connections that the filter selects, from now on.
    pub(super) fn begin_tap(
        &self,
        tapping: &Arc<TapLink>,
        is_chosen: impl Fn(&OpenConnection) -> bool + Send + Sync + 'static,
    ) {
        let mut taps = self.lock_taps();
        // A connection that opens meanwhile waits for the lock.
        self.shared.tap_count.fetch_add(1, Ordering::Relaxed);
        let now = self.now();
        for signal in self.signals() {
            if OpenConnection::of(&signal, now).is_some_and(|connection| is_chosen(&connection)) {
                signal.tap(tapping);
            }
        }
        taps.push((Arc::clone(tapping), Box::new(is_chosen)));
    }

    /// Ends a tap, and releases its connections.
    pub(super) fn end_tap(&self, tapping: &Arc<TapLink>) {
        let mut taps = self.lock_taps();
        taps.retain(|(other, _)| !Arc::ptr_eq(other, tapping));
        self.shared.tap_count.store(taps.len(), Ordering::Relaxed);
        for signal in self.signals() {
            signal.untap(tapping);
        }
    }

    /// Taps a connection that has just opened, if the filter of a tap selects it.
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

    fn lock_taps(&self) -> MutexGuard<'_, Vec<(Arc<TapLink>, Box<IsChosen>)>> {
        // A filter that panics leaves the list unchanged.
        let taps = self.shared.taps.lock();
        taps.unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current second, counted from the creation of the registry.
    fn now(&self) -> u64 {
        self.shared.began.elapsed().as_secs()
    }

    fn find(&self, id: ConnectionId) -> Option<Arc<Signal>> {
        let is_it = |row: &Row| row.facts().id == id;
        let mut signals = self.signals().into_iter();
        signals.find(|signal| signal.open_row().is_some_and(is_it))
    }

    /// Returns all connections, including those without a WebSocket.
    fn signals(&self) -> Vec<Arc<Signal>> {
        let gateways = self.shared.gateways.lock();
        let gateways: Vec<_> = gateways.iter().filter_map(Weak::upgrade).collect();
        let signals = gateways.iter().map(|gateway| gather(gateway, SLICE));
        signals.flatten().collect()
    }
}

/// Asks these connections to close with this code, `per_second` of them a second.
async fn close_paced(signals: Vec<Arc<Signal>>, code: CloseCode, per_second: NonZeroU32) {
    let turn = |number: u32| Duration::from_secs(number.into()) / per_second.get();
    paced(signals, turn, |signal| signal.request(code)).await;
}

impl OpenConnection {
    /// Returns the public facts of a connection at this second; `None` if it is not open.
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
