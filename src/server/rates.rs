//! The limits on the rates of clients, in total and for each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::settings::RateLimits;
use crate::connection::{MessageRate, SECOND, spent};

/// The maximum number of addresses that are tracked. Clients at others count only in total.
const ADDRESSES: usize = 1 << 15;

/// The counters for the limits on rates.
#[derive(Debug)]
pub(super) struct Rates {
    pub(super) limits: RateLimits,
    began: Instant,
    counted: Mutex<RecentActivity>,
}

/// The recent activity of clients.
#[derive(Debug, Default)]
struct RecentActivity {
    all: Buckets,
    /// The buckets of addresses that were active since the current second began.
    current: HashMap<IpAddr, Buckets>,
    /// The buckets of addresses that were active in the second before, and not since.
    previous: HashMap<IpAddr, Buckets>,
    /// The time at which the current second began, in nanoseconds.
    since: u64,
    /// The message rates of addresses with connections, or with messages within the last second.
    messages: HashMap<IpAddr, Arc<MessageRate>>,
    /// The size of `messages` at which unused rates are next removed.
    sweep_at: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Buckets {
    connections: Bucket,
    handshakes: Bucket,
}

/// A bucket for one second's worth, as the time at which it is full again, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket(u64);

/// The limit that is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooFast {
    /// The limit in total.
    All,
    /// The limit for the address.
    Address,
}

impl Rates {
    /// Creates the counters; `None` if nothing is limited.
    pub(super) fn new(limits: RateLimits) -> Option<Self> {
        (limits != RateLimits::default()).then(|| Self {
            limits,
            began: Instant::now(),
            counted: Mutex::default(),
        })
    }

    /// Counts a connection from this address; without an address, only in total.
    pub(super) fn connection(&self, network: Option<IpAddr>) -> Result<(), TooFast> {
        let RateLimits {
            connections,
            connections_per_address,
            ..
        } = self.limits;
        self.take(
            (connections, connections_per_address),
            network,
            Buckets::connections,
        )
    }

    /// Counts an open connection for this address, which has become known by now.
    pub(super) fn connection_of(&self, network: Option<IpAddr>) -> Result<(), TooFast> {
        self.take(
            (None, self.limits.connections_per_address),
            network,
            Buckets::connections,
        )
    }

    /// Counts an opening handshake.
    pub(super) fn handshake(&self, network: Option<IpAddr>) -> Result<(), TooFast> {
        let RateLimits {
            handshakes,
            handshakes_per_address,
            ..
        } = self.limits;
        self.take(
            (handshakes, handshakes_per_address),
            network,
            Buckets::handshakes,
        )
    }

    /// The message rate that all connections of this address share; `None` if it is not limited.
    pub(super) fn messages(&self, network: Option<IpAddr>) -> Option<Arc<MessageRate>> {
        let limit = self.limits.messages_per_address?;
        let network = network?;
        let mut counted = self.lock();
        if let Some(rate) = counted.messages.get(&network) {
            return Some(Arc::clone(rate));
        }
        if counted.messages.len() >= counted.sweep_at {
            let now = Instant::now();
            let is_needed =
                |rate: &Arc<MessageRate>| Arc::strong_count(rate) > 1 || !rate.is_full(now);
            counted.messages.retain(|_, rate| is_needed(rate));
            counted.sweep_at = 64.max(2 * counted.messages.len());
        }
        let rate = Arc::new(MessageRate::new(limit));
        counted.messages.insert(network, Arc::clone(&rate));
        Some(rate)
    }

    fn take(
        &self,
        limits: (Option<NonZeroU32>, Option<NonZeroU32>),
        network: Option<IpAddr>,
        of: fn(&mut Buckets) -> &mut Bucket,
    ) -> Result<(), TooFast> {
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.lock().take(limits, network, now, of)
    }

    fn lock(&self) -> MutexGuard<'_, RecentActivity> {
        // Nothing but the allocator can panic while the lock is held.
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecentActivity {
    fn take(
        &mut self,
        (in_all, per_address): (Option<NonZeroU32>, Option<NonZeroU32>),
        network: Option<IpAddr>,
        now: u64,
        of: fn(&mut Buckets) -> &mut Bucket,
    ) -> Result<(), TooFast> {
        if let (Some(limit), Some(network)) = (per_address, network)
            && let Some(buckets) = self.of_address(network, now)
            && !of(buckets).take(limit, now)
        {
            return Err(TooFast::Address);
        }
        match in_all {
            Some(limit) if !of(&mut self.all).take(limit, now) => Err(TooFast::All),
            _ => Ok(()),
        }
    }

    /// Returns the buckets of an address; `None` if too many addresses are tracked.
    fn of_address(&mut self, network: IpAddr, now: u64) -> Option<&mut Buckets> {
        let passed = now.saturating_sub(self.since);
        if passed >= SECOND {
            // A bucket that was not used for a second is full, and need not be kept.
            self.previous = std::mem::take(&mut self.current);
            if passed >= 2 * SECOND {
                self.previous = HashMap::new();
            }
            self.since = now;
        }
        if !self.current.contains_key(&network) {
            if self.current.len() >= ADDRESSES {
                return None;
            }
            let known = self.previous.remove(&network);
            self.current.insert(network, known.unwrap_or_default());
        }
        self.current.get_mut(&network)
    }
}

impl Buckets {
    fn connections(&mut self) -> &mut Bucket {
        &mut self.connections
    }

    fn handshakes(&mut self) -> &mut Bucket {
        &mut self.handshakes
    }
}

impl Bucket {
    fn take(&mut self, limit: NonZeroU32, now: u64) -> bool {
        let (full_at, latest) = spent(self.0, 1, limit, now);
        let is_there = full_at <= latest;
        if is_there {
            self.0 = full_at;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(count: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(count)
    }

    fn address(number: usize) -> Option<IpAddr> {
        let number = u32::try_from(number).unwrap();
        Some(IpAddr::from(number.to_be_bytes()))
    }

    const MILLISECOND: u64 = SECOND / 1000;

    #[test]
    fn a_burst_of_one_second_is_permitted() {
        let mut counted = RecentActivity::default();
        let mut come = |from: usize, millis: u64| {
            let now = millis * MILLISECOND;
            counted.take(
                (limit(5), limit(2)),
                address(from),
                now,
                Buckets::connections,
            )
        };
        for (from, millis, expected) in [
            (1, 0, Ok(())),
            (1, 0, Ok(())),
            (1, 0, Err(TooFast::Address)),
            (2, 0, Ok(())),
            (2, 0, Ok(())),
            (3, 0, Ok(())),
            (3, 0, Err(TooFast::All)),
            (1, 499, Err(TooFast::Address)),
            (1, 500, Ok(())),
            (1, 999, Err(TooFast::Address)),
            // In the next second, and in the one after it.
            (1, 1400, Ok(())),
            (1, 1400, Err(TooFast::Address)),
            (1, 1401, Err(TooFast::Address)),
            (1, 9000, Ok(())),
            (1, 9000, Ok(())),
            (1, 9000, Err(TooFast::Address)),
        ] {
            assert_eq!(come(from, millis), expected, "{from} at {millis}");
        }
    }

    #[test]
    fn connections_without_a_limit_are_not_counted() {
        let mut counted = RecentActivity::default();
        for from in [None, address(1)] {
            for limits in [(None, limit(1)), (None, None)] {
                let is_counted = from.is_some() && limits.1.is_some();
                for number in 0..3 {
                    let taken = counted.take(limits, from, 0, Buckets::connections);
                    assert_eq!(
                        taken.is_err(),
                        is_counted && number > 0,
                        "{from:?} {limits:?}"
                    );
                }
            }
        }
        assert_eq!(counted.current.len(), 1);
    }

    #[test]
    fn idle_addresses_are_forgotten_and_there_are_not_too_many() {
        let mut counted = RecentActivity::default();
        let mut come = |from: usize, now: u64| {
            let taken = counted.take((None, limit(1)), address(from), now, Buckets::connections);
            let known = counted.current.len() + counted.previous.len();
            (taken, known)
        };
        for from in 0..2 * ADDRESSES {
            let (taken, known) = come(from, 0);
            assert!(taken.is_ok() && known <= ADDRESSES);
        }
        assert_eq!(come(1, 0).0, Err(TooFast::Address));
        // After a second the previous addresses are still tracked, later only those active since.
        assert_eq!(come(1, SECOND), (Ok(()), ADDRESSES));
        assert_eq!(come(1, 2 * SECOND), (Ok(()), 1));
        assert_eq!(come(2, 4 * SECOND), (Ok(()), 1));
    }

    #[test]
    fn connections_of_an_address_share_their_message_rate() {
        let limits = RateLimits {
            messages_per_address: limit(10),
            ..RateLimits::default()
        };
        let rates = Rates::new(limits).unwrap();
        assert!(rates.messages(None).is_none());
        let one = rates.messages(address(1)).unwrap();
        assert!(Arc::ptr_eq(&one, &rates.messages(address(1)).unwrap()));
        assert!(!Arc::ptr_eq(&one, &rates.messages(address(2)).unwrap()));
        for number in 3..1000 {
            drop(rates.messages(address(number)));
            assert!(rates.lock().messages.len() <= 65);
        }
        assert!(Arc::ptr_eq(&one, &rates.messages(address(1)).unwrap()));
        assert!(Rates::new(RateLimits::default()).is_none());
    }
}
