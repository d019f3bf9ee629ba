//! The other nodes, and presence on their channels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::push::envelope::{EnvelopeError, NodeId, option, put_option, put_text, text};
use crate::push::presence::{Attendee, MOST_NAMED, Present};

/// The version of the letters that nodes exchange.
const VERSION: u8 = 1;

/// The interval at which a node announces itself.
const BEAT: Duration = Duration::from_secs(2);

/// The silence after which a node is considered gone.
const MAX_SILENCE: Duration = Duration::from_secs(7);

/// The time limit for answers from the other nodes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Ask {
    waits_for: BTreeSet<NodeId>,
    present: Present,
    until: Duration,
}

#[derive(Debug)]
pub(super) struct Peers {
    me: NodeId,
    /// The time of the last letter from each of the other nodes.
    heard: BTreeMap<NodeId, Duration>,
    asks: BTreeMap<u64, Ask>,
    next_beat: Duration,
    /// Whether a new node was heard, which does not know of this one yet.
    is_met: bool,
}

/// The kinds of letters: the byte after the version.
mod kind {
    pub(super) const HERE_I_AM: u8 = 1;
    pub(super) const GOODBYE: u8 = 2;
    pub(super) const WHO: u8 = 3;
    pub(super) const PRESENCE: u8 = 4;
}

impl Peers {
    pub(super) fn new(me: NodeId) -> Self {
        Self {
            me,
            heard: BTreeMap::new(),
            asks: BTreeMap::new(),
            next_beat: Duration::ZERO,
            is_met: false,
        }
    }

    /// Returns the number of other nodes.
    pub(super) fn len(&self) -> usize {
        self.heard.len()
    }

    /// Returns the announcement that is sent when a connection is established.
    pub(super) fn begin(&mut self, now: Duration) -> Bytes {
        self.next_beat = now + BEAT;
        self.is_met = false;
        self.letter(kind::HERE_I_AM).freeze()
    }

    /// Returns an announcement when it is due, or immediately if a new node was heard.
    pub(super) fn beat(&mut self, now: Duration) -> Option<Bytes> {
        (self.is_met || now >= self.next_beat).then(|| self.begin(now))
    }

    /// Returns the letter that announces the end of this node.
    pub(super) fn goodbye(&self) -> Bytes {
        self.letter(kind::GOODBYE).freeze()
    }

    /// Starts to gather who is on a channel. Returns the question for the other nodes, or `None` if
    /// there are none.
    pub(super) fn who(
        &mut self,
        ask: u64,
        channel: &str,
        here: Present,
        is_up: bool,
        now: Duration,
    ) -> Option<Bytes> {
        let present = Present {
            nodes: 1,
            is_whole: is_up,
            ..here
        };
        let waits_for: BTreeSet<NodeId> = match is_up {
            true => self.heard.keys().copied().collect(),
            false => BTreeSet::new(),
        };
        let is_asked = !waits_for.is_empty();
        let until = now + ANSWER_TIMEOUT;
        self.asks.insert(
            ask,
            Ask {
                waits_for,
                present,
                until,
            },
        );
        is_asked.then(|| {
            let mut letter = self.letter(kind::WHO);
            letter.put_u64(ask);
            put_text(&mut letter, channel);
            letter.freeze()
        })
    }

    /// Returns the answer to another node's question of who is here.
    pub(super) fn here(&self, ask: u64, here: &Present) -> Bytes {
        let mut letter = self.letter(kind::PRESENCE);
        letter.put_u64(ask);
        letter.put_u64(here.count);
        for attendee in &here.attendees {
            put_text(&mut letter, &attendee.id);
            put_option(&mut letter, attendee.user.as_deref());
        }
        letter.freeze()
    }

    /// Processes a letter. Returns another node's question, if it is one: its number and the
    /// channel.
    pub(super) fn came(
        &mut self,
        mut letter: Bytes,
        now: Duration,
    ) -> Result<Option<(u64, Arc<str>)>, EnvelopeError> {
        let version = letter.try_get_u8()?;
        if version != VERSION {
            return Err(EnvelopeError::Version(version));
        }
        let kind = letter.try_get_u8()?;
        let node = NodeId(letter.try_get_u64()?);
        if node == self.me {
            return Ok(None);
        }
        if kind == kind::GOODBYE {
            self.lose(node);
            return Ok(None);
        }
        self.is_met |= self.heard.insert(node, now).is_none();
        match kind {
            kind::HERE_I_AM => Ok(None),
            kind::WHO => {
                let ask = letter.try_get_u64()?;
                Ok(Some((ask, text(&mut letter)?.into())))
            }
            kind::PRESENCE => {
                let ask = letter.try_get_u64()?;
                let count = letter.try_get_u64()?;
                let mut attendees = Vec::new();
                while letter.has_remaining() && attendees.len() < MOST_NAMED {
                    let id = text(&mut letter)?;
                    let user = option(&mut letter)?;
                    attendees.push(Attendee { id, user });
                }
                // An answer to the question of another node has no match here.
                if let Some(ask) = self.asks.get_mut(&ask)
                    && ask.waits_for.remove(&node)
                {
                    ask.present.nodes += 1;
                    ask.present.count += count;
                    ask.present.attendees.extend(attendees);
                }
                Ok(None)
            }
            other => Err(EnvelopeError::Kind(other)),
        }
    }

    /// Returns the complete results: all nodes have answered, or the time is up.
    pub(super) fn gathered(&mut self, now: Duration) -> Vec<(u64, Present)> {
        let gone = self
            .heard
            .iter()
            .filter(|(_, at)| now >= **at + MAX_SILENCE);
        for node in gone.map(|(node, _)| *node).collect::<Vec<_>>() {
            self.lose(node);
        }
        let is_done = |ask: &Ask| ask.waits_for.is_empty() || now >= ask.until;
        let done = self.asks.iter().filter(|(_, ask)| is_done(ask));
        let done: Vec<u64> = done.map(|(number, _)| *number).collect();
        let done = done.into_iter().filter_map(|number| {
            let mut ask = self.asks.remove(&number)?;
            ask.present.is_whole &= ask.waits_for.is_empty();
            Some((number, ask.present))
        });
        done.collect()
    }

    /// Removes a node, also from the nodes whose answers are awaited.
    fn lose(&mut self, node: NodeId) {
        self.heard.remove(&node);
        for ask in self.asks.values_mut() {
            ask.waits_for.remove(&node);
        }
    }

    fn letter(&self, kind: u8) -> BytesMut {
        let mut letter = BytesMut::with_capacity(32);
        letter.put_u8(VERSION);
        letter.put_u8(kind);
        letter.put_u64(self.me.0);
        letter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::ZERO;

    fn ann() -> Present {
        let id = "1".to_owned();
        let user = Some("ann".to_owned());
        Present {
            count: 1,
            attendees: vec![Attendee { id, user }],
            ..Present::default()
        }
    }

    #[test]
    fn the_answers_of_all_nodes_are_combined() {
        let [mut a, mut b] = [1, 2].map(|id| Peers::new(NodeId(id)));
        assert_eq!(a.came(b.begin(START), START), Ok(None));
        let question = a.who(9, "room", Present::default(), true, START).unwrap();
        assert!(a.gathered(START).is_empty());
        let asked = b.came(question, START);
        assert_eq!(asked, Ok(Some((9, "room".into()))));
        assert_eq!(a.came(b.here(9, &ann()), START), Ok(None));
        let whole = Present {
            nodes: 2,
            is_whole: true,
            ..ann()
        };
        assert_eq!(a.gathered(START), [(9, whole)]);
        // A repeated answer is ignored.
        assert_eq!(a.came(b.here(9, &ann()), START), Ok(None));
    }

    #[test]
    fn a_node_that_does_not_answer_is_waited_for_only_until_the_timeout() {
        let [mut a, b] = [1, 2].map(|id| Peers::new(NodeId(id)));
        a.came(b.letter(kind::HERE_I_AM).freeze(), START).unwrap();
        a.who(1, "room", ann(), true, START);
        let part = Present { nodes: 1, ..ann() };
        assert_eq!(a.gathered(START + ANSWER_TIMEOUT), [(1, part)]);
        // A silent node is removed after some time, and immediately after its goodbye.
        assert!(a.gathered(START + MAX_SILENCE).is_empty());
        assert_eq!(a.len(), 0);
        a.came(b.letter(kind::HERE_I_AM).freeze(), START).unwrap();
        a.came(b.goodbye(), START).unwrap();
        assert_eq!(a.who(2, "room", ann(), true, START), None);
        let whole = Present {
            nodes: 1,
            is_whole: true,
            ..ann()
        };
        assert_eq!(a.gathered(START), [(2, whole)]);
    }

    #[test]
    fn a_new_node_is_greeted_immediately_although_another_leaves() {
        let [mut a, mut b, c] = [1, 2, 3].map(|id| Peers::new(NodeId(id)));
        a.begin(START);
        assert_eq!(a.beat(START), None);
        a.came(b.begin(START), START).unwrap();
        a.came(c.goodbye(), START).unwrap();
        assert!(a.beat(START).is_some());
        assert_eq!(a.beat(START), None);
    }

    #[test]
    fn a_malformed_letter_is_an_error() {
        let mut peers = Peers::new(NodeId(1));
        let letters = [&b""[..], b"\x01", b"\x01\x03\0\0\0\0\0\0\0\x02\0"];
        for letter in letters {
            let letter = Bytes::copy_from_slice(letter);
            assert_eq!(peers.came(letter, START), Err(EnvelopeError::Short));
        }
    }
}
