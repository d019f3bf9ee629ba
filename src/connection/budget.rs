//! How much memory connections may take together, and which of them goes when it is too much.
//!
//! What a connection holds beyond what every one takes is counted whenever it comes to wait: what has
//! come of an unfinished message, what waits to go out, what compression needs. Between two waits a
//! thread is at work on one connection, which may hold one message more than is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};

use polysock_protocols::CloseCode;
use tracing::warn;

use super::ShutdownSignal;
use super::gateways::Gateways;
use super::shutdown::Shutdown;
use super::signal::Signal;

/// What is counted at once, in bytes.
const UNIT: u64 = 4096;

/// A budget for the memory that connections hold, in bytes. Clones are the same, and gateways may
/// share one.
///
/// Above 95 % of it no connection is let in, and those that hold most are closed: with 1013, or cut
/// where much waits to go out, as a close cannot overtake that.
#[derive(Clone, Debug)]
pub struct Budget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: u64,
    /// In units.
    held: AtomicU64,
    /// At how many units connections are to be closed next.
    brim: AtomicU64,
    /// Whose connections there are.
    gateways: Gateways,
}

impl Default for Budget {
    /// One without a limit.
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: u64) -> Self {
        let shared = Shared {
            limit,
            held: AtomicU64::new(0),
            brim: AtomicU64::new(full(limit)),
            gateways: Gateways::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// How many bytes it allows.
    pub fn limit(&self) -> u64 {
        self.shared.limit
    }

    /// How many bytes connections hold.
    pub fn held(&self) -> u64 {
        self.shared.held.load(Ordering::Relaxed) * UNIT
    }

    /// So many units in bytes.
    pub(super) fn bytes(units: u32) -> u64 {
        u64::from(units) * UNIT
    }

    /// Whether more than 95 % of it is held.
    pub fn is_full(&self) -> bool {
        self.shared.held.load(Ordering::Relaxed) > full(self.shared.limit)
    }

    /// One that is held to the last byte.
    #[cfg(test)]
    pub(crate) fn used_up() -> Self {
        let budget = Self::new(0);
        budget.take(1);
        budget
    }

    /// Has the connections of a gateway closed by it.
    pub(crate) fn govern(&self, connections: &Shutdown) {
        self.shared.gateways.add(connections);
    }

    fn take(&self, units: u64) {
        let held = self.shared.held.fetch_add(units, Ordering::Relaxed) + units;
        if held > self.shared.brim.load(Ordering::Relaxed) {
            self.relieve();
        }
    }

    fn give_back(&self, units: u64) {
        let held = self.shared.held.fetch_sub(units, Ordering::Relaxed) - units;
        let full = full(self.shared.limit);
        if held <= full && self.shared.brim.load(Ordering::Relaxed) > full {
            self.shared.brim.store(full, Ordering::Relaxed);
        }
    }

    /// Closes the connections that hold most, until those that stay hold no more than nine tenths.
    #[cold]
    fn relieve(&self) {
        let gateways = self.shared.gateways.lock();
        let held = self.shared.held.load(Ordering::Relaxed);
        let full = full(self.shared.limit);
        if held <= self.shared.brim.load(Ordering::Relaxed) {
            // Somebody else has just done it.
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
        // What they hold is there for a moment still: nobody else need go for that.
        self.shared.brim.store(held + full / 100, Ordering::Relaxed);
        if closed > 0 {
            warn!(
                limit = self.shared.limit,
                held = held * UNIT,
                closed,
                "memory is short: the connections that hold most are closed"
            );
        }
    }
}

/// How many units are 95 % of a limit in bytes.
fn full(limit: u64) -> u64 {
    (limit / 100).saturating_mul(95) / UNIT
}

/// What one connection takes of a budget; the connection knows how much that is.
#[derive(Debug)]
pub(super) struct Account {
    budget: Budget,
    /// Who is told to go if it is the one that holds most. Two connections may have the same.
    owner: ShutdownSignal,
}

impl Account {
    pub(super) fn new(budget: Budget, owner: ShutdownSignal) -> Self {
        Self { budget, owner }
    }

    /// Who is told to go if it is the one that holds most.
    #[inline]
    pub(super) fn owner(&self) -> &ShutdownSignal {
        &self.owner
    }

    /// One more of the same owner.
    pub(super) fn of_same_owner(&self) -> Self {
        Self::new(self.budget.clone(), self.owner.clone())
    }

    /// Counts that the connection holds more than before, or less, in [units](units).
    #[cold]
    pub(super) fn change(&self, before: u32, now: u32) {
        self.owner.change_held(before, now);
        match now.checked_sub(before) {
            Some(more) => self.budget.take(more.into()),
            None => self.budget.give_back((before - now).into()),
        }
    }
}

/// How so many bytes are counted.
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
    fn the_one_that_holds_most_is_closed() {
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
    fn those_that_go_are_not_counted_twice() {
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
        // A little more each time, up to one in a hundred, while the one that was closed holds what it
        // held.
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
