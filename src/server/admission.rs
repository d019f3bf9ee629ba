//! The admission of connections. A place counts a connection until its last byte; a turn is the
//! time until its first request is complete, or until it is refused.
//!
//! ```text
//!   accepted ──▶ below all limits? ──yes──▶ a place, and a turn to send the first request
//!                  │ no                       ├─ the head is complete: the turn ends, the place
//!                  ▼                          │  is kept until the last byte
//!                a turn to be refused         └─ a newer connection needs the turn: the oldest
//!                                                one is closed
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use polysock_protocols::{CloseCode, Rejection};
use tokio::time::sleep;

use super::incidents::Incidents;
use super::rates::{Rates, TooFast};
use super::settings::{ConnectionLimits, PortSettings};
use crate::connection::{Budget, MessageRate, Registry, ShutdownSignal};
use crate::transport::network;

/// The maximum number of clients that are being refused at a time.
const REFUSED: usize = 32;

/// The maximum number of displaced connections that may exceed the limit until they have ended.
const LEAVING: usize = 32;

/// The interval at which [`Admission::settled`] checks the turns.
const LOOK: Duration = Duration::from_millis(5);

/// The counters of a port's connections, which admit more while the limits allow it.
pub(super) struct Admission {
    limits: ConnectionLimits,
    budget: Budget,
    registry: Registry,
    incidents: Arc<Incidents>,
    present: Mutex<OpenConnections>,
    /// The limits on rates; `None` if there are none.
    rates: Option<Rates>,
}

/// The current connections.
#[derive(Debug, Default)]
struct OpenConnections {
    places: usize,
    /// The number of places of each network, where it is limited.
    by_network: HashMap<IpAddr, usize>,
    /// Connections whose first request is not complete.
    opening: Displaceable,
    /// Connections that are being refused.
    refused: Displaceable,
    /// The number of turns so far.
    turns: u64,
}

/// Connections that newer ones may displace, by their age.
#[derive(Debug, Default)]
struct Displaceable(BTreeMap<u64, ShutdownSignal>);

/// The reason why a connection or a handshake is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitReached {
    /// The limit on connections is reached.
    Connections,
    /// The limit on connections of this address is reached.
    Address,
    /// The memory budget is used up.
    Memory,
    /// All connections are being closed.
    Draining,
    /// Connections arrive too fast.
    Pace(TooFast),
    /// Opening handshakes arrive too fast.
    Handshakes(TooFast),
}

/// The place of a connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    admission: Arc<Admission>,
    /// Boxed, because every connection has a place and most places have no network.
    network: Option<Box<IpAddr>>,
}

/// An additional connection of an address that was unknown at admission, until this is dropped.
#[derive(Debug)]
pub(super) struct AddressSlot {
    admission: Arc<Admission>,
    network: IpAddr,
}

/// The turn of a connection to send its first request, or to be refused, until it is dropped. When
/// a newer connection needs the turn, the signal of the older one asks it to close.
#[derive(Debug)]
pub(super) struct Turn {
    admission: Arc<Admission>,
    number: u64,
    /// True if an older connection was displaced. It leaves when its task next runs.
    pub(super) has_displaced: bool,
}

impl Admission {
    /// Creates counters for a port without connections.
    pub(super) fn new(settings: &PortSettings, incidents: Arc<Incidents>) -> Self {
        let limits = settings.connections;
        Self {
            limits,
            budget: settings.budget.clone(),
            registry: settings.registry.clone(),
            incidents,
            present: Mutex::default(),
            rates: Rates::new(limits.rates),
        }
    }

    /// Admits a new connection from this address, or returns the reason to refuse it. The
    /// connection has a turn in both cases.
    pub(super) fn admit(
        self: &Arc<Self>,
        address: Option<SocketAddr>,
        shutdown: &ShutdownSignal,
    ) -> (Result<Place, LimitReached>, Turn) {
        let network = self.network(address);
        let mut present = self.lock();
        let number = present.turns;
        present.turns += 1;
        let is_full = present.places >= self.limits.connections;
        let full = self.exceeded_limit(&present, network, LEAVING);
        // With all places taken, a connection that still has its turn gives up its place.
        let full =
            full.or((is_full && present.opening.0.is_empty()).then_some(LimitReached::Connections));
        let full = full.or_else(|| {
            let rates = self.rates.as_ref()?;
            rates.connection(of(address)).err().map(LimitReached::Pace)
        });
        let displaced = match full {
            None => {
                let opening = &mut present.opening;
                let most = if is_full { opening.0.len() } else { usize::MAX };
                opening.add(number, shutdown, most.min(self.limits.handshakes))
            }
            Some(_) => present.refused.add(number, shutdown, REFUSED),
        };
        let place = self.place(present, network, full);
        let turn = Turn {
            admission: Arc::clone(self),
            number,
            has_displaced: displaced.is_some(),
        };
        if let Some(displaced) = displaced {
            if place.is_ok() {
                self.incidents
                    .refused(503, |refused| refused.handshakes += 1);
            }
            displaced.request(CloseCode::TRY_AGAIN_LATER);
        }
        (place, turn)
    }

    /// Admits a WebSocket on a stream of an open connection.
    pub(super) fn admit_stream(
        self: &Arc<Self>,
        address: Option<SocketAddr>,
    ) -> Result<Place, LimitReached> {
        let network = self.network(address);
        let present = self.lock();
        let full = self.exceeded_limit(&present, network, 0);
        self.place(present, network, full)
    }

    /// Counts an open connection for this address, which has become known by now; `None` if that is
    /// not limited.
    pub(super) fn count(
        self: &Arc<Self>,
        address: Option<SocketAddr>,
    ) -> Result<Option<AddressSlot>, LimitReached> {
        let Some(network) = self.network(address) else {
            return Ok(None);
        };
        let mut present = self.lock();
        let count = present.by_network.entry(network).or_default();
        if *count >= self.limits.per_address {
            drop(present);
            self.note(LimitReached::Address);
            return Err(LimitReached::Address);
        }
        *count += 1;
        Ok(Some(AddressSlot {
            admission: Arc::clone(self),
            network,
        }))
    }

    /// Counts an open connection as a new one from this address, which has become known by now.
    pub(super) fn pace(&self, address: Option<SocketAddr>) -> Result<(), LimitReached> {
        let Some(rates) = &self.rates else {
            return Ok(());
        };
        let counted = rates.connection_of(of(address)).map_err(LimitReached::Pace);
        counted.inspect_err(|full| self.note(*full))
    }

    /// Counts an opening handshake from this address.
    pub(super) fn handshake(&self, address: Option<SocketAddr>) -> Result<(), LimitReached> {
        let Some(rates) = &self.rates else {
            return Ok(());
        };
        let counted = rates
            .handshake(of(address))
            .map_err(LimitReached::Handshakes);
        counted.inspect_err(|full| self.note(*full))
    }

    /// The message rate that all connections of this address share; `None` if it is not limited.
    pub(super) fn messages(&self, address: Option<SocketAddr>) -> Option<Arc<MessageRate>> {
        self.rates.as_ref()?.messages(of(address))
    }

    /// Waits until no connection has a turn to send its first request.
    pub(super) async fn settled(&self) {
        while !self.lock().opening.0.is_empty() {
            sleep(LOOK).await;
        }
    }

    /// Returns the reason to refuse a connection, if `more` connections may exceed the limit.
    fn exceeded_limit(
        &self,
        present: &OpenConnections,
        network: Option<IpAddr>,
        more: usize,
    ) -> Option<LimitReached> {
        let of_network = network.and_then(|network| present.by_network.get(&network));
        if self.registry.is_draining() {
            Some(LimitReached::Draining)
        } else if self.budget.is_full() {
            Some(LimitReached::Memory)
        } else if present.places >= self.limits.connections.saturating_add(more) {
            Some(LimitReached::Connections)
        } else if of_network.is_some_and(|count| *count >= self.limits.per_address) {
            Some(LimitReached::Address)
        } else {
            None
        }
    }

    /// Takes a place, or counts a refusal.
    fn place(
        self: &Arc<Self>,
        mut present: MutexGuard<'_, OpenConnections>,
        network: Option<IpAddr>,
        full: Option<LimitReached>,
    ) -> Result<Place, LimitReached> {
        if let Some(full) = full {
            drop(present);
            self.note(full);
            return Err(full);
        }
        present.places += 1;
        if let Some(network) = network {
            *present.by_network.entry(network).or_default() += 1;
        }
        Ok(Place {
            admission: Arc::clone(self),
            network: network.map(Box::new),
        })
    }

    /// Counts a refusal.
    fn note(&self, full: LimitReached) {
        if full == LimitReached::Draining {
            return self.incidents.drained();
        }
        let status = full.rejection().status;
        self.incidents.refused(status, |refused| {
            let count = match full {
                LimitReached::Connections => &mut refused.connections,
                LimitReached::Address => &mut refused.per_address,
                LimitReached::Memory | LimitReached::Draining => &mut refused.memory,
                LimitReached::Pace(TooFast::All) => &mut refused.fast,
                LimitReached::Pace(TooFast::Address) => &mut refused.fast_per_address,
                LimitReached::Handshakes(TooFast::All) => &mut refused.fast_handshakes,
                LimitReached::Handshakes(TooFast::Address) => {
                    &mut refused.fast_handshakes_per_address
                }
            };
            *count += 1;
        });
    }

    /// Returns the network that an address is counted as, where that is limited.
    fn network(&self, address: Option<SocketAddr>) -> Option<IpAddr> {
        let is_limited = self.limits.per_address < usize::MAX;
        of(address).filter(|_| is_limited)
    }

    fn lock(&self) -> MutexGuard<'_, OpenConnections> {
        // Nothing but the allocator can panic while the lock is held.
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the network that an address is counted as.
fn of(address: Option<SocketAddr>) -> Option<IpAddr> {
    network(address?.ip())
}

impl LimitReached {
    /// Returns the refusal for a request.
    pub(super) fn rejection(self) -> Rejection {
        match self {
            Self::Connections | Self::Address | Self::Memory | Self::Draining => {
                Rejection::unavailable(self)
            }
            Self::Pace(_) | Self::Handshakes(_) => Rejection::too_many(self),
        }
    }
}

impl OpenConnections {
    /// Counts one connection less for a network.
    fn leave(&mut self, network: &IpAddr) {
        if let Some(count) = self.by_network.get_mut(network) {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(network);
            }
        }
    }
}

impl Displaceable {
    /// Adds the newest. Returns the oldest if there are then more than `most`.
    fn add(
        &mut self,
        number: u64,
        shutdown: &ShutdownSignal,
        most: usize,
    ) -> Option<ShutdownSignal> {
        self.0.insert(number, shutdown.clone());
        if self.0.len() <= most {
            return None;
        }
        self.0.pop_first().map(|(_, oldest)| oldest)
    }
}

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connections => "too many connections",
            Self::Address => "too many connections from one address",
            Self::Memory => "memory is short",
            Self::Draining => "the server is shutting down",
            Self::Pace(TooFast::All) => "too many connections a second",
            Self::Pace(TooFast::Address) => "too many connections a second from one address",
            Self::Handshakes(TooFast::All) => "too many handshakes a second",
            Self::Handshakes(TooFast::Address) => "too many handshakes a second from one address",
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.admission.lock();
        present.places -= 1;
        if let Some(network) = &self.network {
            present.leave(network);
        }
    }
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        self.admission.lock().leave(&self.network);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut present = self.admission.lock();
        if present.opening.0.remove(&self.number).is_none() {
            present.refused.0.remove(&self.number);
        }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incidents() -> Arc<Incidents> {
        Arc::new(Incidents::new(&Registry::default()))
    }

    fn admission(limits: ConnectionLimits) -> Arc<Admission> {
        let settings = PortSettings {
            connections: limits,
            ..PortSettings::default()
        };
        Arc::new(Admission::new(&settings, incidents()))
    }

    fn address(text: &str) -> Option<SocketAddr> {
        Some(SocketAddr::new(text.parse().unwrap(), 1))
    }

    /// A connection that has sent nothing yet, unless it was refused.
    fn come(
        admission: &Arc<Admission>,
        from: &str,
    ) -> (ShutdownSignal, Result<Place, LimitReached>, Turn) {
        let signal = ShutdownSignal::default();
        let (place, turn) = admission.admit(address(from), &signal);
        (signal, place, turn)
    }

    #[test]
    fn the_oldest_silent_connection_is_displaced() {
        for limits in [
            ConnectionLimits {
                handshakes: 3,
                ..ConnectionLimits::default()
            },
            ConnectionLimits {
                connections: 3,
                ..ConnectionLimits::default()
            },
        ] {
            let admission = admission(limits);
            let first: Vec<_> = (0..3).map(|_| come(&admission, "10.0.0.1")).collect();
            let next = come(&admission, "10.0.0.2");
            let asked = first.iter().map(|(signal, ..)| signal.close_requested());
            let pushed_out = Some(CloseCode::TRY_AGAIN_LATER);
            assert!(asked.eq([pushed_out, None, None]), "{limits:?}");
            assert!(next.1.is_ok() && next.2.has_displaced, "{limits:?}");
        }
    }

    #[test]
    fn connections_whose_request_was_received_keep_their_place() {
        let admission = admission(ConnectionLimits {
            connections: 2,
            ..ConnectionLimits::default()
        });
        let [(_, first, turn), (_, second, other_turn)] = [0, 1].map(|_| come(&admission, "::1"));
        drop((turn, other_turn));
        assert_eq!(
            come(&admission, "::1").1.unwrap_err(),
            LimitReached::Connections
        );
        assert_eq!(
            admission.admit_stream(None).unwrap_err(),
            LimitReached::Connections
        );
        drop(first.unwrap());
        assert!(come(&admission, "::1").1.is_ok());
        drop(second);
    }

    #[test]
    fn connections_that_are_slow_to_close_are_bounded() {
        let admission = admission(ConnectionLimits {
            connections: 3,
            ..ConnectionLimits::default()
        });
        let come = |_| come(&admission, "10.0.0.1");
        let there: Vec<_> = (0..1000).map(come).collect();
        let placed = there.iter().filter(|(_, place, _)| place.is_ok()).count();
        assert_eq!(placed, 3 + LEAVING);
        // Of the others, the newest are being refused.
        let told = there
            .iter()
            .rev()
            .take_while(|(signal, place, _)| place.is_err() && signal.close_requested().is_none());
        assert_eq!(told.count(), REFUSED);
    }

    #[test]
    fn a_used_up_budget_refuses_connections_and_streams() {
        let limits = ConnectionLimits::default();
        let settings = PortSettings {
            connections: limits,
            budget: Budget::used_up(),
            ..PortSettings::default()
        };
        let admission = Admission::new(&settings, incidents());
        let admission = Arc::new(admission);
        assert_eq!(
            come(&admission, "10.0.0.1").1.unwrap_err(),
            LimitReached::Memory
        );
        assert_eq!(
            admission.admit_stream(None).unwrap_err(),
            LimitReached::Memory
        );
    }

    #[test]
    fn an_address_is_counted_by_its_prefix() {
        let one_each = ConnectionLimits {
            per_address: 1,
            ..ConnectionLimits::default()
        };
        for (first, second, is_let_in) in [
            ("10.0.0.1", "10.0.0.1", false),
            ("10.0.0.1", "::ffff:10.0.0.1", false),
            ("10.0.0.1", "10.0.0.2", true),
            ("2001:db8::1", "2001:db8::2", false),
            ("2001:db8::1", "2001:db8:0:1::1", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("::1", "::1", true),
            ("::ffff:127.0.0.1", "::ffff:127.0.0.1", true),
        ] {
            let admission = admission(one_each);
            let (_, place, turn) = come(&admission, first);
            drop(turn);
            let next = come(&admission, second).1;
            assert_eq!(next.is_ok(), is_let_in, "{second} after {first}");
            drop(place.unwrap());
            drop(next);
            assert!(come(&admission, second).1.is_ok(), "{first} is gone");
            assert!(admission.lock().by_network.is_empty());
        }
    }
}
