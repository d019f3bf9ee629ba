//! The connection from the channels of this process to its node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::envelope::{self, NodeId, Origin};
use super::presence::Present;
use super::publication::Publication;

/// The maximum number of channels whose last number is remembered.
const MOST_CHANNELS: usize = 100_000;

/// A notification or a request to the node.
#[derive(Debug)]
pub(super) enum Input {
    /// A publication of this process.
    Publish { channel: Arc<str>, envelope: Bytes },
    /// A channel has its first local subscriber, or has lost its last.
    Want { channel: Arc<str>, is_wanted: bool },
    /// A receiver of every channel was added or removed.
    WantAll { is_wanted: bool },
    /// A request for who is on a channel, in addition to those `here`.
    Who {
        channel: Arc<str>,
        here: Present,
        answer: oneshot::Sender<Present>,
    },
    /// A request for the publications on a channel after an offset.
    Past {
        channel: Arc<str>,
        after: u64,
        answer: oneshot::Sender<Past>,
    },
}

/// Past publications of a channel.
#[derive(Debug, PartialEq)]
pub(crate) struct Past {
    /// The publications with their offsets and origins, oldest first.
    pub(crate) entries: Vec<(u64, Origin, Publication)>,
    /// Whether nothing is missing before the first entry.
    pub(crate) is_whole: bool,
    /// Whether there may be more after the last entry.
    pub(crate) has_more: bool,
}

/// The connection to the node.
#[derive(Debug)]
pub(super) struct Outlet {
    me: NodeId,
    pub(super) has_history: bool,
    numbers: Mutex<Numbers>,
    inputs: mpsc::UnboundedSender<Input>,
}

/// The numbers of this node's last publications, by channel.
#[derive(Debug, Default)]
struct Numbers {
    last: HashMap<Arc<str>, u64>,
    /// The highest forgotten number.
    floor: u64,
}

impl Outlet {
    pub(super) fn new(me: NodeId, has_history: bool, inputs: mpsc::UnboundedSender<Input>) -> Self {
        Self {
            me,
            has_history,
            numbers: Mutex::default(),
            inputs,
        }
    }

    /// Publishes to the other nodes. Concurrent publications are sent in the order of their
    /// numbers.
    pub(super) fn publish(&self, channel: &str, publication: &Publication) -> Origin {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let (channel, number, is_first) = numbers.next(channel);
        let origin = Origin {
            node: self.me,
            number,
            is_first,
        };
        let envelope = envelope::write(origin, publication);
        self.tell(Input::Publish { channel, envelope });
        origin
    }

    /// Sends an input to the node. Does nothing once the node has ended.
    pub(super) fn tell(&self, input: Input) {
        let _ = self.inputs.send(input);
    }
}

impl Numbers {
    fn next(&mut self, channel: &str) -> (Arc<str>, u64, bool) {
        if let Some((name, _)) = self.last.get_key_value(channel) {
            let name = Arc::clone(name);
            let number = self.last.get_mut(channel).map_or(1, |last| {
                *last += 1;
                *last
            });
            return (name, number, false);
        }
        if self.last.len() >= MOST_CHANNELS {
            let highest = self.last.drain().map(|(_, last)| last).max();
            self.floor = highest.unwrap_or(0).max(self.floor);
        }
        let (name, number) = (Arc::<str>::from(channel), self.floor + 1);
        self.last.insert(Arc::clone(&name), number);
        (name, number, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_forgotten_channel_still_grow() {
        let mut numbers = Numbers::default();
        let mut next = |channel: &str| {
            let (_, number, is_first) = numbers.next(channel);
            (number, is_first)
        };
        assert_eq!(next("a"), (1, true));
        assert_eq!(next("a"), (2, false));
        assert_eq!(next("b"), (1, true));
        for number in 0..MOST_CHANNELS {
            next(&number.to_string());
        }
        assert_eq!(next("a"), (3, true));
        assert_eq!(next("a"), (4, false));
        assert!(numbers.last.len() <= MOST_CHANNELS);
    }
}
