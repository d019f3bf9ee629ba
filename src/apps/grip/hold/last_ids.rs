//! The ids of the last publications: a web app that has not seen the last one is asked again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fields::Subscribe;
use crate::push::{Channels, Receiving};

/// The limit of channels with a known id.
const MOST: usize = 10_000;

/// The id of the last publication on each channel, if it had one.
#[derive(Debug)]
pub(super) struct LastIds {
    ids: Arc<Mutex<Ids>>,
    _receiving: Receiving,
}

#[derive(Debug, Default)]
struct Ids {
    ids: HashMap<Arc<str>, String>,
    /// The channels, in the order in which they became known.
    known: VecDeque<Arc<str>>,
}

impl LastIds {
    /// Records the ids on these channels, from now on.
    pub(super) fn of(channels: &Channels) -> Self {
        let ids = Arc::<Mutex<Ids>>::default();
        let noted = Arc::clone(&ids);
        let receiving = channels.receive(None, move |channel, publication| {
            if let Some(id) = &publication.id {
                lock(&noted).note(channel, id);
            }
        });
        Self {
            ids,
            _receiving: receiving,
        }
    }

    /// Whether the last publication on one of these channels is not the one that the web app has
    /// seen last. Such an id is then forgotten, because the web app is asked again.
    pub(super) fn contradict(&self, wanted: &[Subscribe]) -> bool {
        let mut ids = lock(&self.ids);
        let mut contradict = false;
        for Subscribe { name, prev_id, .. } in wanted {
            let last = ids.ids.get(&**name);
            if prev_id.is_some() && last.is_some() && last != prev_id.as_ref() {
                ids.forget(name);
                contradict = true;
            }
        }
        contradict
    }

    /// Forgets the last id of a channel.
    pub(super) fn forget(&self, channel: &str) {
        lock(&self.ids).forget(channel);
    }
}

impl Ids {
    fn note(&mut self, channel: &str, id: &str) {
        if let Some(known) = self.ids.get_mut(channel) {
            id.clone_into(known);
            return;
        }
        if self.known.len() == MOST
            && let Some(oldest) = self.known.pop_front()
        {
            self.ids.remove(&oldest);
        }
        let channel = Arc::<str>::from(channel);
        self.known.push_back(Arc::clone(&channel));
        self.ids.insert(channel, id.to_owned());
    }

    fn forget(&mut self, channel: &str) {
        if self.ids.remove(channel).is_some() {
            self.known.retain(|known| **known != *channel);
        }
    }
}

fn lock(ids: &Mutex<Ids>) -> MutexGuard<'_, Ids> {
    // Each operation leaves the ids consistent, so a panic cannot break them.
    ids.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::Publication;

    fn seen(name: &str, prev_id: Option<&str>) -> Subscribe {
        Subscribe {
            name: name.to_owned(),
            prev_id: prev_id.map(str::to_owned),
            is_not: None,
        }
    }

    fn publish(channels: &Channels, name: &str, id: &str) {
        let publication = Publication {
            id: Some(id.to_owned()),
            ..Publication::default()
        };
        channels.publish(name, publication);
    }

    #[test]
    fn an_outdated_last_id_is_reported_once() {
        let channels = Channels::new();
        let ids = LastIds::of(&channels);
        assert!(!ids.contradict(&[seen("a", Some("1"))]));
        publish(&channels, "a", "2");
        assert!(!ids.contradict(&[seen("a", None), seen("a", Some("2")), seen("b", Some("1"))]));
        assert!(ids.contradict(&[seen("a", Some("1"))]));
        assert!(!ids.contradict(&[seen("a", Some("1"))]));
        publish(&channels, "a", "3");
        ids.forget("a");
        assert!(!ids.contradict(&[seen("a", Some("1"))]));
    }

    #[test]
    fn last_ids_are_kept_of_a_bounded_number_of_channels() {
        let channels = Channels::new();
        let ids = LastIds::of(&channels);
        for number in 0..=MOST {
            publish(&channels, &number.to_string(), "1");
            publish(&channels, "often", &number.to_string());
        }
        let known = lock(&ids.ids);
        assert_eq!((known.ids.len(), known.known.len()), (MOST, MOST));
        assert!(!known.ids.contains_key("0") && known.ids.contains_key("2"));
    }
}
