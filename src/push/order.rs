//! The order of delivery on a channel: each publication once, and after the predecessor that it
//! names.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::delivery::Delivery;

/// The period for which the id of a publication is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The maximum time that a publication waits for its predecessor.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The maximum numbers of remembered ids and of waiting publications.
const MOST_NAMES: usize = 10_000;
const MOST_WAITING: usize = 1000;

/// The order of delivery on one channel. Reads no clock.
#[derive(Debug, Default)]
pub(super) struct Order {
    last: Option<String>,
    names: HashSet<String>,
    /// The time of publication of each id, oldest first.
    times: VecDeque<(Instant, String)>,
    /// The publications whose predecessor has not arrived, oldest first.
    waiting: VecDeque<(Instant, Delivery)>,
}

impl Order {
    /// Adds a publication, and returns the publications that are now due, in order.
    pub(super) fn admit(&mut self, delivery: Delivery, now: Instant) -> Vec<Delivery> {
        self.forget(now);
        let publication = &delivery.publication;
        if let Some(id) = &publication.id {
            if !self.names.insert(id.clone()) {
                return Vec::new();
            }
            self.times.push_back((now, id.clone()));
        }
        let waits = match (&publication.prev_id, &self.last) {
            (Some(prev_id), Some(last)) => prev_id != last,
            _ => false,
        };
        if waits {
            self.waiting.push_back((now, delivery));
            if self.waiting.len() <= MOST_WAITING {
                return Vec::new();
            }
            return self.give_up_oldest();
        }
        self.follow(delivery)
    }

    /// Returns the publications that have waited long enough, and those that follow them.
    pub(super) fn give_up(&mut self, now: Instant) -> Vec<Delivery> {
        let mut delivered = Vec::new();
        while let Some((since, _)) = self.waiting.front()
            && now.duration_since(*since) >= PATIENCE
        {
            delivered.extend(self.give_up_oldest());
        }
        delivered
    }

    /// Returns true if a publication waits for its predecessor.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn give_up_oldest(&mut self) -> Vec<Delivery> {
        match self.waiting.pop_front() {
            Some((_, delivery)) => self.follow(delivery),
            None => Vec::new(),
        }
    }

    /// Returns a publication and those that have waited for it.
    fn follow(&mut self, delivery: Delivery) -> Vec<Delivery> {
        let mut delivered = vec![delivery];
        while let Some(last) = delivered.last() {
            let id = &last.publication.id;
            if id.is_none() {
                break;
            }
            self.last.clone_from(id);
            let is_next = |(_, next): &(Instant, Delivery)| next.publication.prev_id == self.last;
            let Some(next) = self.waiting.iter().position(is_next) else {
                break;
            };
            delivered.extend(self.waiting.remove(next).map(|(_, next)| next));
        }
        delivered
    }

    fn forget(&mut self, now: Instant) {
        while let Some((at, id)) = self.times.front()
            && (now.duration_since(*at) >= REMEMBERED || self.times.len() >= MOST_NAMES)
        {
            self.names.remove(id);
            self.times.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::publication::Publication;

    fn named(id: &str, prev_id: Option<&str>) -> Delivery {
        let publication = Publication {
            id: Some(id.to_owned()),
            prev_id: prev_id.map(str::to_owned),
            ..Publication::default()
        };
        publication.into()
    }

    fn ids(delivered: &[Delivery]) -> Vec<&str> {
        delivered
            .iter()
            .filter_map(|delivery| delivery.publication.id.as_deref())
            .collect()
    }

    #[test]
    fn a_repeated_publication_is_delivered_once_within_a_minute() {
        let (mut order, now) = (Order::default(), Instant::now());
        assert_eq!(order.admit(named("1", None), now).len(), 1);
        assert!(order.admit(named("1", None), now).is_empty());
        let later = now + REMEMBERED;
        assert_eq!(order.admit(named("1", None), later).len(), 1);
        // A publication without an id is never a duplicate.
        for _ in 0..3 {
            assert_eq!(order.admit(Publication::default().into(), now).len(), 1);
        }
    }

    #[test]
    fn a_publication_waits_for_its_predecessor_until_a_timeout() {
        let (mut order, now) = (Order::default(), Instant::now());
        order.admit(named("1", None), now);
        assert!(order.admit(named("4", Some("3")), now).is_empty());
        assert!(order.admit(named("3", Some("2")), now).is_empty());
        assert!(order.has_waiting());
        let delivered = order.admit(named("2", Some("1")), now);
        assert_eq!(ids(&delivered), ["2", "3", "4"]);
        assert!(!order.has_waiting());
        assert!(order.admit(named("7", Some("6")), now).is_empty());
        assert!(order.give_up(now).is_empty());
        assert_eq!(ids(&order.give_up(now + PATIENCE)), ["7"]);
        // The first publication of a channel waits for no predecessor.
        let mut order = Order::default();
        assert_eq!(ids(&order.admit(named("9", Some("8")), now)), ["9"]);
    }

    #[test]
    fn waiting_publications_and_remembered_names_are_bounded() {
        let (mut order, now) = (Order::default(), Instant::now());
        order.admit(named("first", None), now);
        for number in 0..3 * MOST_NAMES {
            let id = number.to_string();
            order.admit(named(&id, Some("never")), now);
        }
        assert!(order.names.len() <= MOST_NAMES && order.times.len() <= MOST_NAMES);
        assert_eq!(order.waiting.len(), MOST_WAITING);
    }
}
