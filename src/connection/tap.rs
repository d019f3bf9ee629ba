//! The events of connections that are tapped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use polysock_protocols::{Close, Event, Kind, Watched, Watcher};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::telemetry::{ConnectionId, HandshakeBytes};

/// The number of events that may wait for the reader of a tap. Further events are dropped: no
/// connection waits for the reader.
const WAITING: usize = 1024;

/// The number of payload and wire bytes that may wait in total.
const HELD: usize = 16 << 20;

/// The parts of each frame that a tap keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapSettings {
    /// The number of payload bytes to keep.
    pub payload: usize,
    /// The number of wire bytes to keep, as they are sent: masked and compressed.
    pub wire: usize,
}

/// An event on a connection that is tapped.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TapEvent {
    /// The connection. The connection to an upstream has the identifier of its client's.
    pub connection: ConnectionId,
    /// The time of the event.
    pub at: SystemTime,
    /// The end on which the event happened.
    pub end: TapEnd,
    /// The event itself.
    pub what: TapWhat,
}

/// An end of a relayed connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TapEnd {
    /// The connection of a client.
    Client,
    /// The connection to the upstream, if that is a [`Connection`](crate::Connection).
    Upstream,
}

/// The kind of an event, and its data.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TapWhat {
    /// The tap of the connection has begun.
    Begun {
        /// The protocol of the connection.
        protocol: &'static str,
        /// The opening handshake; `None` if the connection was open before the tap began, or the
        /// handshake did not use HTTP/1.
        handshake: Option<Arc<HandshakeBytes>>,
    },
    /// A frame, or a piece of one, was received.
    Received(TapFrame),
    /// A frame, or a piece of one, is sent.
    Sent(TapFrame),
    /// The peer has broken the protocol.
    Failed {
        /// The error.
        error: String,
        /// The beginning of the bytes that caused the error.
        wire: Bytes,
    },
    /// The peer has half-closed the connection.
    HungUp,
    /// The connection or the tap has ended.
    Ended,
}

/// A frame, or a piece of one.
#[derive(Clone, Debug)]
pub struct TapFrame {
    /// The kind of the frame.
    pub kind: TapKind,
    /// The length of its payload, in bytes.
    pub len: usize,
    /// Its length on the wire, in bytes.
    pub wire_len: usize,
    /// True if the message ends here.
    pub is_end: bool,
    /// The beginning of its payload.
    pub payload: Bytes,
    /// The beginning of its bytes on the wire.
    pub wire: Bytes,
}

/// The kind of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TapKind {
    /// A frame of a text message.
    Text,
    /// A frame of a binary message.
    Binary,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// A close, with its code and reason if it has them.
    Close(Option<Close>),
}

impl TapEvent {
    /// Returns the number of payload and wire bytes that the event holds.
    fn held(&self) -> usize {
        match &self.what {
            TapWhat::Received(frame) | TapWhat::Sent(frame) => {
                frame.payload.len() + frame.wire.len()
            }
            TapWhat::Failed { wire, .. } => wire.len(),
            TapWhat::Begun { .. } | TapWhat::HungUp | TapWhat::Ended => 0,
        }
    }
}

/// The link from tapped connections to the reader of a tap.
#[derive(Debug)]
pub(crate) struct TapLink {
    settings: TapSettings,
    events: Sender<TapEvent>,
    missed: AtomicU64,
    /// The number of bytes that wait.
    held: AtomicUsize,
}

impl TapLink {
    /// Creates the link, and the receiver of its events.
    pub(super) fn new(settings: TapSettings) -> (Arc<Self>, Receiver<TapEvent>) {
        let (sender, events) = channel(WAITING);
        let tapping = Self {
            settings,
            events: sender,
            missed: AtomicU64::new(0),
            held: AtomicUsize::new(0),
        };
        (Arc::new(tapping), events)
    }

    /// Returns the number of events that were dropped because there was no room.
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Records that the reader has taken an event.
    pub(super) fn taken(&self, event: &TapEvent) {
        self.held.fetch_sub(event.held(), Ordering::Relaxed);
    }

    /// Queues an event, or counts it as missed if there is no room.
    pub(super) fn tell(&self, connection: ConnectionId, end: TapEnd, what: TapWhat) {
        let event = TapEvent {
            connection,
            at: SystemTime::now(),
            end,
            what,
        };
        let held = event.held();
        let is_room = self.held.fetch_add(held, Ordering::Relaxed) + held <= HELD;
        if !is_room || self.events.try_send(event).is_err() {
            self.held.fetch_sub(held, Ordering::Relaxed);
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The watcher of one end of a tapped connection.
#[derive(Debug)]
pub(super) struct TapWatcher {
    pub(super) tapping: Arc<TapLink>,
    pub(super) connection: ConnectionId,
    pub(super) end: TapEnd,
}

impl TapWatcher {
    fn tell(&self, what: TapWhat) {
        self.tapping.tell(self.connection, self.end, what);
    }

    fn frame(&self, event: &Event, wire: &Bytes) -> TapFrame {
        let none = Bytes::new();
        let (kind, payload, is_end) = match event {
            Event::Data(piece) => {
                let kind = match piece.kind {
                    Kind::Text => TapKind::Text,
                    Kind::Binary => TapKind::Binary,
                };
                (kind, &piece.payload, piece.end)
            }
            Event::Ping(payload) => (TapKind::Ping, payload, true),
            Event::Pong(payload) => (TapKind::Pong, payload, true),
            Event::Close(close) => (TapKind::Close(close.clone()), &none, true),
        };
        TapFrame {
            kind,
            len: payload.len(),
            wire_len: wire.len(),
            is_end,
            payload: first(payload, self.tapping.settings.payload),
            wire: first(wire, self.tapping.settings.wire),
        }
    }
}

impl Watcher for TapWatcher {
    fn watch(&mut self, watched: Watched<'_>, wire: Bytes) {
        self.tell(match watched {
            Watched::Received(event) => TapWhat::Received(self.frame(event, &wire)),
            Watched::Sent(event) => TapWhat::Sent(self.frame(event, &wire)),
            Watched::Failed(error) => TapWhat::Failed {
                error: error.to_string(),
                wire: first(&wire, self.tapping.settings.wire),
            },
        });
    }
}

impl Drop for TapWatcher {
    fn drop(&mut self) {
        self.tell(TapWhat::Ended);
    }
}

/// Returns the first `most` bytes. Longer input is copied, so that the rest is not kept in memory.
fn first(bytes: &Bytes, most: usize) -> Bytes {
    match bytes.get(..most) {
        Some(first) => Bytes::copy_from_slice(first),
        None => bytes.clone(),
    }
}
