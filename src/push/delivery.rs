//! Publications on their way to local subscribers, and positions in a channel.

use std::fmt;
use std::str::FromStr;

use super::envelope::{NodeId, Origin};
use super::publication::Publication;

/// A publication on its way to the subscribers in this process.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) publication: Publication,
    /// The publishing node and its number. `None` without nodes.
    pub(crate) origin: Option<Origin>,
    /// The offset in the channel's history. `None` for a publication of this node, and without a
    /// history.
    pub(crate) offset: Option<u64>,
}

impl From<Publication> for Delivery {
    fn from(publication: Publication) -> Self {
        Self {
            publication,
            origin: None,
            offset: None,
        }
    }
}

/// The part of a channel that a subscriber has received, from which on it can request missed
/// messages.
///
/// A node delivers its own publications before the broker has them. So a position consists of the
/// offset up to which the subscriber has everything, and the number up to which it has the later
/// publications of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) offset: u64,
    /// The node with publications after the offset, and the number of the last received. `None` if
    /// nothing after the offset was received.
    pub(crate) beyond: Option<(NodeId, u64)>,
}

impl Position {
    /// Returns true if a publication after the offset was received as well.
    pub(crate) fn has(&self, origin: Origin) -> bool {
        self.beyond
            .is_some_and(|(node, number)| node == origin.node && origin.number <= number)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.offset)?;
        match self.beyond {
            None => Ok(()),
            Some((node, number)) => write!(f, "-{:x}-{number:x}", node.0),
        }
    }
}

/// The error for a text that is not a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a position of a message, such as `62c1f3b5a0d12` or `62c1f3b5a0d12-9f3c-2`")]
pub(crate) struct PositionError;

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |digits: &str| u64::from_str_radix(digits, 16).map_err(|_| PositionError);
        let mut parts = text.split('-');
        let mut next = || parts.next().map(number).transpose();
        let offset = next()?.ok_or(PositionError)?;
        let beyond = match (next()?, next()?) {
            (None, None) => None,
            (Some(node), Some(last)) => Some((NodeId(node), last)),
            _ => return Err(PositionError),
        };
        match parts.next() {
            None => Ok(Self { offset, beyond }),
            Some(_) => Err(PositionError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_written_and_read() {
        let plain = Position {
            offset: 0xfe,
            beyond: None,
        };
        let beyond = Position {
            beyond: Some((NodeId(10), 17)),
            ..plain
        };
        for (position, text) in [(plain, "fe"), (beyond, "fe-a-11")] {
            assert_eq!(position.to_string(), text);
            assert_eq!(text.parse(), Ok(position));
        }
        for text in ["", "x", "1-2", "1-2-3-4", "1--2", "11111111111111111"] {
            assert_eq!(text.parse::<Position>(), Err(PositionError), "{text}");
        }
    }

    #[test]
    fn a_position_includes_earlier_publications_of_its_node() {
        let position: Position = "5-a-3".parse().unwrap();
        let origin = |node, number| Origin {
            node: NodeId(node),
            number,
            is_first: false,
        };
        assert!(position.has(origin(10, 3)) && !position.has(origin(10, 4)));
        assert!(!position.has(origin(11, 1)));
    }
}
