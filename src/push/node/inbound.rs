//! What comes on a channel from other nodes: each of it once, in the order of who published it, and what is missing
//! is noticed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::push::bus::Place;
use crate::push::envelope::{NodeId, Origin};
use crate::push::publication::Publication;

/// How much may wait while what is missing is asked for.
const MOST_WAITING: usize = 10_000;

/// Something that was published.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) origin: Origin,
    pub(super) publication: Box<Publication>,
    pub(super) place: Option<Place>,
}

/// What becomes of an entry.
#[derive(Debug, PartialEq)]
pub(super) enum Taken {
    /// It is delivered; so many before it, of the same node, are lost.
    New { entry: Entry, lost: u64 },
    /// It is this node's own.
    Own { number: u64 },
    /// It was there already.
    Again,
    /// Others are missing before it: it waits until they have been asked for, behind this place.
    Hole { after: u64 },
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The broker has not confirmed that it gives what comes, or there is none.
    Asked,
    /// What was missed is asked for.
    Filling,
    Live,
}

/// A channel of which this node wants what is published.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) state: State,
    /// Since when nobody here is subscribed to it, if nobody is.
    pub(super) left: Option<Duration>,
    /// The offset of the last that has come, where there is a history.
    pub(super) offset: Option<u64>,
    /// Whether it has been live since it is wanted.
    pub(super) was_live: bool,
    /// Whether what others than nodes publish on its name is wanted as well.
    pub(super) has_bare: bool,
    /// The last of each node.
    seen: BTreeMap<NodeId, u64>,
    /// What has come before it was live, in its order.
    waiting: VecDeque<Entry>,
    /// A fault for the simulation to find: it takes what it has had.
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

    /// Keeps one for later. Returns whether another was dropped for it.
    pub(super) fn wait(&mut self, entry: Entry) -> bool {
        self.waiting.push_back(entry);
        let is_over = self.waiting.len() > MOST_WAITING;
        if is_over {
            self.waiting.pop_front();
        }
        is_over
    }

    /// The next of those that wait.
    pub(super) fn next_waiting(&mut self) -> Option<Entry> {
        self.waiting.pop_front()
    }

    /// Lets go of those that wait: they will be asked for.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    /// What was missing has been asked for: there is no more before those that wait.
    pub(super) fn close_hole(&mut self) {
        let first = self.waiting.front().and_then(|entry| entry.place);
        if let (Some(offset), Some(place)) = (&mut self.offset, first) {
            *offset = place.previous.max(*offset);
        }
    }

    /// What becomes of one that has come live.
    pub(super) fn take(&mut self, entry: Entry, me: NodeId) -> Taken {
        if let (Some(place), Some(offset)) = (entry.place, self.offset)
            && place.previous > offset
        {
            self.waiting.push_front(entry);
            return Taken::Hole { after: offset };
        }
        self.take_in(entry, me)
    }

    /// What becomes of one before which nothing is missing, or nothing that could be had.
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
