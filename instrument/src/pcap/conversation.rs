//! A TCP connection, as the bytes of its two sides.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

/// A TCP connection: the bytes of both sides, up to the first gap.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The side that opened the connection, or, if that was not captured, the side that sent first.
    pub client: SocketAddr,
    /// The other side.
    pub server: SocketAddr,
    /// The time of its first packet, since the Unix epoch.
    pub began: Duration,
    /// The bytes, a run for each TCP segment. Each run follows the runs that it acknowledged.
    pub runs: Vec<Run>,
    /// The ends of the sides, in order, if they were captured.
    pub ends: Vec<End>,
    /// The faults of the captured packets.
    pub notes: Vec<Note>,
}

/// Bytes that one side sent in one segment, without those that it had sent before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The time since the conversation began.
    pub at: Duration,
    /// The sender.
    pub from: Peer,
    /// The bytes.
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
    /// The time since the conversation began.
    pub at: Duration,
    /// The side.
    pub by: Peer,
    /// True if it was an RST, false if it was a FIN.
    pub reset: bool,
}

/// A fault of the captured packets of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// The beginning was not captured.
    Begun,
    /// Bytes are missing; bytes after them are omitted.
    Lost {
        /// The side whose bytes are missing.
        from: Peer,
        /// The number of bytes of that side before them.
        after: u64,
    },
    /// A packet was cut by the snapshot length; bytes after it are omitted.
    Cut {
        /// The side that sent the packet.
        from: Peer,
        /// The number of bytes of that side before the cut.
        after: u64,
    },
    /// The number of segments that repeat earlier ones, completely or partly.
    Repeated(u64),
    /// The number of segments that were captured after later ones.
    Reordered(u64),
    /// The capture ends before the connection does.
    Unfinished,
    /// More was captured than [`Limits`](crate::pcap::Limits) allow; the rest is omitted.
    Limit,
    /// The connection exceeded the size limit of its recording after so many bytes; the rest is
    /// omitted.
    Longer(usize),
}

impl Conversation {
    /// Returns the reason for which bytes may be missing, if packets were lost or cut.
    pub(crate) fn loss(&self) -> Option<&'static str> {
        self.notes.iter().find_map(|note| match note {
            Note::Cut { .. } => Some("packets were cut (capture with tcpdump -s 0)"),
            Note::Lost { .. } => Some("packets are missing, or were fragments of IP packets"),
            _ => None,
        })
    }

    /// Returns all bytes that one side sent.
    pub fn bytes_from(&self, peer: Peer) -> Vec<u8> {
        let own = self.runs.iter().filter(|run| run.from == peer);
        own.flat_map(|run| run.bytes.iter().copied()).collect()
    }
}

impl Peer {
    /// Returns the other side.
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
    /// True if a part of the conversation is missing.
    pub fn is_loss(&self) -> bool {
        !matches!(self, Self::Repeated(_) | Self::Reordered(_))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun => write!(f, "the capture begins after the start of the connection"),
            Self::Lost { from, after } => write!(
                f,
                "bytes of the {from} are missing after its first {after}; the rest is left out"
            ),
            Self::Cut { from, after } => write!(
                f,
                "a packet of the {from} was cut after its first {after} bytes (capture with \
                 tcpdump -s 0); the rest is left out"
            ),
            Self::Repeated(count) => write!(f, "repeated segments: {count}"),
            Self::Reordered(count) => write!(f, "segments out of order: {count}"),
            Self::Unfinished => write!(f, "the capture ends before the end of the connection"),
            Self::Limit => write!(f, "it is over the limit; the rest is left out"),
            Self::Longer(len) => write!(f, "the bytes after the first {len} are left out"),
        }
    }
}
