//! The memory budget that connections share, and the choice of the connections to close when it is
//! exceeded.
//!
//! A connection's memory is counted each time it begins to wait: the received part of an unfinished
//! message, the bytes that wait to be sent, and the state of compression. The fixed size of a
//! connection is not counted. Between two waits a connection may hold one message more than is
//! counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};

use polysock_protocols::CloseCode;
use tracing::warn;

use super::ShutdownSignal;
use super::gateways::Gateways;
use super::shutdown::Shutdown;
use super::signal::Signal;

/// The unit in which memory is counted, in bytes.
const UNIT: u64 = 4096;

/// A memory budget for connections, in bytes. Clones share it, and so may gateways.
///
/// Above 95 % of the budget new connections are refused, and the connections that hold most are
/// closed with 1013. A connection with much unsent output is cut instead, as the close cannot
/// overtake it.
#[derive(Clone, Debug)]
pub struct Budget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: u64,
    /// The memory that connections hold, in units.
    held: AtomicU64,
    /// The level at which connections are closed next, in units.
    next_shed_level: AtomicU64,
    /// The gateways whose connections the budget governs.
    gateways: Gateways,
}

impl Default for Budget {
    /// A budget without a limit.
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

impl Budget {
    /// Creates a budget of `limit` bytes.
    pub fn new(limit: u64) -> Self {
        let shared = Shared {
            limit,
            held: AtomicU64::new(0),
            next_shed_level: AtomicU64::new(full(limit)),
            gateways: Gateways::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Returns the limit, in bytes.
    pub fn limit(&self) -> u64 {
        self.shared.limit
    }

    /// Returns the memory that connections hold, in bytes.
    pub fn held(&self) -> u64 {
        self.shared.held.load(Ordering::Relaxed) * UNIT
    }

    /// Converts units to bytes.
    pub(super) fn bytes(units: u32) -> u64 {
        u64::from(units) * UNIT
    }

    /// True if more than 95 % of the budget is held.
    pub fn is_full(&self) -> bool {
        self.shared.held.load(Ordering::Relaxed) > full(self.shared.limit)
    }

    /// Returns a budget that is exhausted.
    #[cfg(test)]
    pub(crate) fn used_up() -> Self {
        let budget = Self::new(0);
        budget.take(1);
        budget
    }

    /// Lets the budget close connections of a gateway.
    pub(crate) fn govern(&self, connections: &Shutdown) {
        self.shared.gateways.add(connections);
    }

    fn take(&self, units: u64) {
        let held = self.shared.held.fetch_add(units, Ordering::Relaxed) + units;
        if held > self.shared.next_shed_level.load(Ordering::Relaxed) {
            self.relieve();
        }
    }

    fn give_back(&self, units: u64) {
        let held = self.shared.held.fetch_sub(units, Ordering::Relaxed) - units;
        let full = full(self.shared.limit);
        if held <= full && self.shared.next_shed_level.load(Ordering::Relaxed) > full {
            self.shared.next_shed_level.store(full, Ordering::Relaxed);
        }
    }

    /// Closes the connections that hold most, until the rest hold no more than nine tenths of the
    /// limit.
    #[cold]
    fn relieve(&self) {
        let gateways = self.shared.gateways.lock();
        let held = self.shared.held.load(Ordering::Relaxed);
        let full = full(self.shared.limit);
        if held <= self.shared.next_shed_level.load(Ordering::Relaxed) {
            // Another thread has just done this.
            return;
        }
        let mut staying: Vec<(u32, Arc<Signal>)> = Vec::new();
        for gateway in gateways.iter().filter_map(Weak::upgrade) {
            let registered = gateway.lock().unwrap_or_else(PoisonError::into_inner);
            let signals = registered.signals.iter().filter_map(Weak::upgrade);
            let held = signals.map(|signal| (signal.held(), signal));
            staying.extend(held.filter(|(held, signal)| *held > 0 && !signal.is_shed()));
        }
        staying.sort_unstable_by_key(|(held, _)| *held);
        let mut left: u64 = staying.iter().map(|(held, _)| u64::from(*held)).sum();
        let mut closed = 0;
        while left > full * 19 / 20
            && let Some((held, signal)) = staying.pop()
        {
            left -= u64::from(held);
            closed += 1;
            signal.request(CloseCode::TRY_AGAIN_LATER);
        }
        // The closed connections still hold their memory for a moment: no others need to be closed
        // for it.
        self.shared
            .next_shed_level
            .store(held + full / 100, Ordering::Relaxed);
        if closed > 0 {
            warn!(
                limit = self.shared.limit,
                held = held * UNIT,
                closed,
                "memory is short: the connections that use the most are closed"
            );
        }
    }
}

/// Returns 95 % of a limit, converted from bytes to units.
fn full(limit: u64) -> u64 {
    (limit / 100).saturating_mul(95) / UNIT
}

/// A connection's share in a budget. The connection itself keeps the amount.
#[derive(Debug)]
pub(super) struct Account {
    budget: Budget,
    /// The signal that closes the client if it holds most. A client's and an upstream's connection
    /// may share one.
    owner: ShutdownSignal,
}

impl Account {
    pub(super) fn new(budget: Budget, owner: ShutdownSignal) -> Self {
        Self { budget, owner }
    }

    /// Returns the signal that closes the client if it holds most.
    #[inline]
    pub(super) fn owner(&self) -> &ShutdownSignal {
        &self.owner
    }

    /// Creates a second account with the same owner.
    pub(super) fn of_same_owner(&self) -> Self {
        Self::new(self.budget.clone(), self.owner.clone())
    }

    /// Records a change of the memory that the connection holds, in [units].
    #[cold]
    pub(super) fn change(&self, before: u32, now: u32) {
        self.owner.change_held(before, now);
        match now.checked_sub(before) {
            Some(more) => self.budget.take(more.into()),
            None => self.budget.give_back((before - now).into()),
        }
    }
}

/// Converts bytes to units, rounded down.
#[inline]
pub(super) fn units(bytes: usize) -> u32 {
    u32::try_from(bytes as u64 / UNIT).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u32 = 256;

    fn budget() -> Budget {
        Budget::new(10 << 20)
    }

    #[test]
    fn the_connection_that_holds_most_memory_is_closed() {
        let budget = budget();
        let connections = Shutdown::default();
        budget.govern(&connections);
        let signals = [(); 3].map(|()| connections.register());
        let accounts = signals
            .clone()
            .map(|signal| Account::new(budget.clone(), signal));
        for (account, mib) in accounts.iter().zip([2, 4, 3]) {
            account.change(0, mib * MIB);
        }
        assert!(!budget.is_full());
        assert!(
            signals
                .iter()
                .all(|signal| signal.close_requested().is_none())
        );
        accounts[0].change(2 * MIB, 3 * MIB);
        assert!(budget.is_full());
        let closed = signals.map(|signal| signal.close_requested());
        assert_eq!(closed, [None, Some(CloseCode::TRY_AGAIN_LATER), None]);
        for (account, mib) in accounts.iter().zip([3, 4, 3]) {
            account.change(mib * MIB, 0);
        }
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn a_closing_connection_is_not_counted_twice() {
        let budget = budget();
        let connections = Shutdown::default();
        budget.govern(&connections);
        let signals = [(); 10].map(|()| connections.register());
        let accounts = signals
            .clone()
            .map(|signal| Account::new(budget.clone(), signal));
        for account in &accounts {
            account.change(0, MIB);
        }
        // Each step adds a little, up to 1 % in total, while the closed connection keeps its
        // memory.
        for more in 1..=20 {
            accounts[9].change(MIB + more - 1, MIB + more);
        }
        let closed = signals
            .iter()
            .filter(|signal| signal.close_requested().is_some());
        assert_eq!(closed.count(), 1);
    }

    #[test]
    fn two_connections_of_one_client_count_together() {
        let budget = budget();
        let connections = Shutdown::default();
        budget.govern(&connections);
        let signals = [(); 2].map(|()| connections.register());
        let single = Account::new(budget.clone(), signals[0].clone());
        let client = Account::new(budget.clone(), signals[1].clone());
        let upstream = client.of_same_owner();
        single.change(0, 4 * MIB);
        client.change(0, 3 * MIB);
        upstream.change(0, 3 * MIB);
        assert_eq!(signals[0].close_requested(), None);
        assert!(signals[1].close_requested().is_some());
    }
}
