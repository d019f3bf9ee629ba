//! Counts of the last minute, quarter of an hour and day.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use polysock::Registry;

/// The number of seconds in a minute, and of quarters of an hour in a day.
const SECONDS: usize = 60;
const QUARTERS: usize = 96;

/// The number of seconds in a quarter of an hour.
const QUARTER: u32 = 15 * 60;

/// The counted quantities, and the metric of each.
const COUNTED: [(&str, &str); 4] = [
    ("opened", "polysock_connections_opened"),
    ("closed", "polysock_connections_closed"),
    ("messages", "polysock_messages"),
    ("bytes", "polysock_wire_bytes"),
];

/// The counts of recent seconds, and of recent quarters of an hour.
#[derive(Debug, Default)]
pub(super) struct Rates {
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    last: Option<[u64; COUNTED.len()]>,
    seconds: VecDeque<[u64; COUNTED.len()]>,
    quarters: VecDeque<[u64; COUNTED.len()]>,
    /// The counts of the current quarter of an hour.
    quarter: [u64; COUNTED.len()],
    ticks: u32,
}

/// The counts of one quantity.
#[derive(Debug)]
pub(super) struct Rate {
    pub(super) name: &'static str,
    pub(super) minute: u64,
    pub(super) quarter: u64,
    pub(super) day: u64,
    /// The count of each second of the last minute.
    pub(super) seconds: Vec<u64>,
}

impl Rates {
    /// Records the counts of the last second.
    pub(super) fn tick(&self, registry: &Registry) {
        let families = registry.families();
        let now = COUNTED.map(|(_, metric)| {
            let family = families.iter().find(|family| family.name == metric);
            family.map_or(0, |family| family.total(|_| true))
        });
        self.lock().tick(now);
    }

    /// Returns the counts, in the order of [`COUNTED`].
    pub(super) fn rates(&self) -> Vec<Rate> {
        let counted = self.lock();
        let rates = COUNTED.iter().enumerate().map(|(number, (name, _))| {
            let of = |counts: &[u64; COUNTED.len()]| counts.get(number).copied().unwrap_or(0);
            let unfinished = of(&counted.quarter);
            Rate {
                name,
                minute: counted.seconds.iter().map(of).sum(),
                quarter: unfinished + counted.quarters.back().map_or(0, of),
                day: unfinished + counted.quarters.iter().map(of).sum::<u64>(),
                seconds: counted.seconds.iter().map(of).collect(),
            }
        });
        rates.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        // The counts are whole between any two operations, so a panic cannot break them.
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    fn tick(&mut self, now: [u64; COUNTED.len()]) {
        let before = self.last.replace(now).unwrap_or(now);
        let mut more = now;
        for (more, before) in more.iter_mut().zip(before) {
            *more = more.saturating_sub(before);
        }
        push(&mut self.seconds, more, SECONDS);
        for (quarter, more) in self.quarter.iter_mut().zip(more) {
            *quarter += more;
        }
        self.ticks += 1;
        if self.ticks == QUARTER {
            self.ticks = 0;
            let quarter = std::mem::take(&mut self.quarter);
            push(&mut self.quarters, quarter, QUARTERS);
        }
    }
}

fn push<T>(ring: &mut VecDeque<T>, value: T, most: usize) {
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(value);
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn counts_older_than_a_period_are_forgotten() {
        let rates = Rates::default();
        for second in 0..=2 * u64::from(QUARTER) {
            rates.lock().tick([second, 0, 10 * second, 7]);
        }
        let all = rates.rates();
        assert_eq!(all[0].minute, 60);
        assert_eq!(all[2].minute, 600);
        assert_eq!(all[0].day, 2 * u64::from(QUARTER));
        assert_eq!(all[0].quarter, u64::from(QUARTER) + 1);
        assert_eq!((all[1].day, all[3].day), (0, 0));
        assert_eq!(all[0].seconds.len(), SECONDS);
    }
}
