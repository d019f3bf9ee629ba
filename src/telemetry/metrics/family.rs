//! Counters by their labels.

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use fnv::FnvHashMap;

/// Counters by their labels, up to a limit. Counts with further labels are added to the labels that
/// stand for all others.
pub(crate) struct Family<K, V> {
    /// FNV is safe here: the limit makes hash collisions harmless.
    counters: RwLock<FnvHashMap<K, Arc<V>>>,
    limit: usize,
    other: fn(&K) -> K,
    make: Box<dyn Fn(&K) -> V + Send + Sync>,
}

impl<K: Clone + Eq + Hash, V> Family<K, V> {
    /// Creates an empty family of at most `limit` counters. `other` makes the labels for counts
    /// beyond the limit; it should return few different labels.
    pub(super) fn new(limit: usize, other: fn(&K) -> K) -> Self
    where
        V: Default,
    {
        Self::making(limit, other, |_| V::default())
    }

    /// The same as [`new`](Self::new), for counters that are made from their labels.
    pub(super) fn making(
        limit: usize,
        other: fn(&K) -> K,
        make: impl Fn(&K) -> V + Send + Sync + 'static,
    ) -> Self {
        Self {
            counters: RwLock::default(),
            limit,
            other,
            make: Box::new(make),
        }
    }

    /// Returns the counter with these labels.
    pub(crate) fn of(&self, labels: &K) -> Arc<V> {
        let counters = self.counters.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = counters.get(labels) {
            return Arc::clone(counter);
        }
        let is_full = counters.len() >= self.limit;
        drop(counters);
        let labels = if is_full {
            (self.other)(labels)
        } else {
            labels.clone()
        };
        let counters = self.counters.write();
        let mut counters = counters.unwrap_or_else(PoisonError::into_inner);
        let make = &self.make;
        let counter = counters.entry(labels);
        Arc::clone(counter.or_insert_with_key(|labels| Arc::new(make(labels))))
    }

    /// Returns all counters, in no particular order.
    pub(crate) fn all(&self) -> Vec<(K, Arc<V>)> {
        let counters = self.counters.read().unwrap_or_else(PoisonError::into_inner);
        let all = counters.iter();
        all.map(|(labels, counter)| (labels.clone(), Arc::clone(counter)))
            .collect()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Family<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counters.fmt(f)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn labels_above_the_limit_are_counted_together() {
        let family = Family::<u32, AtomicU64>::new(10, |_| u32::MAX);
        for labels in 0..1000 {
            family.of(&labels).fetch_add(1, Ordering::Relaxed);
            family.of(&0).fetch_add(1, Ordering::Relaxed);
        }
        let mut all = family.all();
        all.sort_unstable_by_key(|(labels, _)| *labels);
        assert_eq!(all.len(), 11);
        let counts: Vec<_> = all
            .iter()
            .map(|(_, count)| count.load(Ordering::Relaxed))
            .collect();
        assert_eq!(counts[..2], [1001, 1]);
        assert_eq!(counts[10], 990);
    }
}
