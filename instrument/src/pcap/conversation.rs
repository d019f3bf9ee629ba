//! A TCP connection, as words of its two sides.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

/// A TCP connection: what was said, up to the first gap.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The side that opened it. Where the capture does not show that, the one that spoke first.
    pub client: SocketAddr,
    /// The other side.
    pub server: SocketAddr,
    /// When its first packet was seen, since the Unix epoch.
    pub began: Duration,
    /// The words, a run for each TCP segment, in an order in which each side can have known
    /// what it acknowledged.
    pub runs: Vec<Run>,
    /// The ends of the sides, in order, as far as the capture shows it.
    pub ends: Vec<End>,
    /// The faults of its packets.
    pub notes: Vec<Note>,
}

/// Bytes that one side said in one segment, without what it had said before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// When, since the conversation began.
    pub at: Duration,
    /// By whom.
    pub from: Peer,
    /// What.
    pub bytes: Bytes,
}

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The side that connected.
    Client,
    /// The side that accepted.
    Server,
}

/// The end of a side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When, since the conversation began.
    pub at: Duration,
    /// By whom.
    pub by: Peer,
    /// With RST, not FIN.
    pub reset: bool,
}

/// A fault of the packets of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// The beginning was not captured.
    Begun,
    /// Bytes are missing; what came behind them is left out.
    Lost {
        /// Whose they are.
        from: Peer,
        /// The number of bytes of that side that came before.
        after: u64,
    },
    /// A packet was cut by the snapshot length; what came behind it is left out.
    Cut {
        /// Whose it is.
        from: Peer,
        /// The number of bytes of that side that are there.
        after: u64,
    },
    /// Segments that had come before, as a whole or in part.
    Repeated(u64),
    /// Segments that came before one that precedes them.
    Reordered(u64),
    /// The capture ends before the connection does.
    Unfinished,
    /// More was captured than [`Limits`](crate::pcap::Limits) allow; the rest is left out.
    Limit,
    /// It is longer than so many bytes, some for each segment included; the rest is left out.
    Longer(usize),
}

impl Conversation {
    /// Why something of it may not be there, where packets were lost or cut.
    pub(crate) fn loss(&self) -> Option<&'static str> {
        self.notes.iter().find_map(|note| match note {
            Note::Cut { .. } => Some("packets were cut (capture with tcpdump -s 0)"),
            Note::Lost { .. } => Some("packets are missing, or were fragments of IP packets"),
            _ => None,
        })
    }

    /// All that one side said.
    pub fn said_by(&self, peer: Peer) -> Vec<u8> {
        let own = self.runs.iter().filter(|run| run.from == peer);
        own.flat_map(|run| run.bytes.iter().copied()).collect()
    }
}

impl Peer {
    /// The other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

impl Note {
    /// True if something of the conversation is not there.
    pub fn is_loss(&self) -> bool {
        !matches!(self, Self::Repeated(_) | Self::Reordered(_))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun => write!(f, "the capture begins after the connection"),
            Self::Lost { from, after } => write!(
                f,
                "bytes of the {from} are missing after its first {after}; what follows is left out"
            ),
            Self::Cut { from, after } => write!(
                f,
                "a packet of the {from} was cut after its first {after} bytes (capture with \
                 tcpdump -s 0); what follows is left out"
            ),
            Self::Repeated(count) => write!(f, "segments that came twice: {count}"),
            Self::Reordered(count) => write!(f, "segments out of order: {count}"),
            Self::Unfinished => write!(f, "the capture ends before the connection"),
            Self::Limit => write!(f, "it is over the limit; the rest is left out"),
            Self::Longer(len) => write!(f, "what follows the first {len} bytes is left out"),
        }
    }
}
