//! The publications received on a channel from other nodes. Each is taken once, in the order of its
//! publisher, and missing ones are noticed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::push::bus::Place;
use crate::push::envelope::{NodeId, Origin};
use crate::push::publication::Publication;

/// The maximum number of entries that wait while missing ones are requested.
const MOST_WAITING: usize = 10_000;

/// A received publication.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) origin: Origin,
    pub(super) publication: Box<Publication>,
    pub(super) place: Option<Place>,
}

/// The outcome of a received entry.
#[derive(Debug, PartialEq)]
pub(super) enum Taken {
    /// The entry is delivered. `lost` entries of the same node before it are lost.
    New { entry: Entry, lost: u64 },
    /// The entry is this node's own publication.
    Own { number: u64 },
    /// The entry is a duplicate.
    Again,
    /// Entries after the offset `after` are missing before this one, which waits until they have
    /// been requested.
    Hole { after: u64 },
}

/// The state of a channel's subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The broker has not confirmed the subscription, or there is no connection.
    Asked,
    /// Missed entries are being requested.
    Filling,
    Live,
}

/// A channel whose publications this node wants.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) state: State,
    /// When the last local subscriber left or, if all channels are wanted, when the last entry
    /// arrived since. `None` while the channel has a local subscriber.
    pub(super) left: Option<Duration>,
    /// The offset of the last received entry. `None` without a history.
    pub(super) offset: Option<u64>,
    /// Whether the channel has been live since it is wanted.
    pub(super) was_live: bool,
    /// Whether publications made by other means than a node are wanted as well.
    pub(super) has_bare: bool,
    /// The number of the last entry of each node.
    seen: BTreeMap<NodeId, u64>,
    /// The entries that arrived before the channel was live, in order.
    waiting: VecDeque<Entry>,
    /// A fault for the simulation to find: duplicates are taken again.
    #[cfg(test)]
    pub(super) takes_again: bool,
}

impl Inbound {
    pub(super) fn new(state: State) -> Self {
        Self {
            state,
            left: None,
            offset: None,
            was_live: state == State::Live,
            has_bare: false,
            seen: BTreeMap::new(),
            waiting: VecDeque::new(),
            #[cfg(test)]
            takes_again: false,
        }
    }

    /// Queues an entry. Returns true if another was dropped for it.
    pub(super) fn wait(&mut self, entry: Entry) -> bool {
        self.waiting.push_back(entry);
        let is_over = self.waiting.len() > MOST_WAITING;
        if is_over {
            self.waiting.pop_front();
        }
        is_over
    }

    /// Removes and returns the first queued entry.
    pub(super) fn next_waiting(&mut self) -> Option<Entry> {
        self.waiting.pop_front()
    }

    /// Discards the queued entries, which will be requested again.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    /// Marks the hole as closed: no more entries can be had before the queued ones.
    pub(super) fn close_hole(&mut self) {
        let first = self.waiting.front().and_then(|entry| entry.place);
        if let (Some(offset), Some(place)) = (&mut self.offset, first) {
            *offset = place.previous.max(*offset);
        }
    }

    /// Takes an entry that arrived live.
    pub(super) fn take(&mut self, entry: Entry, me: NodeId) -> Taken {
        if let (Some(place), Some(offset)) = (entry.place, self.offset)
            && place.previous > offset
        {
            self.waiting.push_front(entry);
            return Taken::Hole { after: offset };
        }
        self.take_in(entry, me)
    }

    /// Takes an entry before which nothing is missing, or nothing that could be had.
    pub(super) fn take_in(&mut self, entry: Entry, me: NodeId) -> Taken {
        if let Some(place) = entry.place {
            let offset = self.offset.get_or_insert(place.offset);
            *offset = place.offset.max(*offset);
        }
        let Origin {
            node,
            number,
            is_first,
        } = entry.origin;
        if node == me {
            return Taken::Own { number };
        }
        let before = self.seen.get(&node).copied();
        #[cfg(test)]
        let before = before.filter(|before| !self.takes_again || number > *before);
        if before.is_some_and(|before| number <= before) {
            return Taken::Again;
        }
        self.seen.insert(node, number);
        let lost = match before {
            Some(before) if !is_first => number - before - 1,
            _ => 0,
        };
        Taken::New { entry, lost }
    }
}
