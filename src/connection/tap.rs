//! What is looked at of connections that somebody taps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use polysock_protocols::{Close, Event, Kind, Watched, Watcher};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::telemetry::{ConnectionId, HandshakeBytes};

/// How many events wait for whoever taps. What does not fit is missed: no connection waits for it.
const WAITING: usize = 1024;

/// How many bytes of payload and of the wire wait together.
const HELD: usize = 16 << 20;

/// What is kept of each frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapSettings {
    /// How many bytes of its payload.
    pub payload: usize,
    /// How many bytes of what it is on the wire, masked and compressed as it goes there.
    pub wire: usize,
}

/// Something that has happened on a connection that is tapped.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TapEvent {
    /// Which connection it is; an upstream's is that of its client.
    pub connection: ConnectionId,
    /// When.
    pub at: SystemTime,
    /// At which end.
    pub end: TapEnd,
    /// What.
    pub what: TapWhat,
}

/// An end of what a gateway joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TapEnd {
    /// The connection of a client.
    Client,
    /// That to its upstream, where that is a [`Connection`](crate::Connection).
    Upstream,
}

/// What has happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TapWhat {
    /// It is looked at from now on.
    Begun {
        /// The protocol that is spoken.
        protocol: &'static str,
        /// The opening handshake, where the connection was not there yet when the tap began, and the handshake
        /// is one of HTTP/1.
        handshake: Option<Arc<HandshakeBytes>>,
    },
    /// A frame, or a piece of one, has come.
    Received(TapFrame),
    /// One goes out.
    Sent(TapFrame),
    /// The peer has broken the protocol.
    Failed {
        /// How.
        error: String,
        /// With which bytes.
        wire: Bytes,
    },
    /// The peer has ended its direction.
    HungUp,
    /// It is gone, or the tap is.
    Ended,
}

/// A frame, or a piece of one.
#[derive(Clone, Debug)]
pub struct TapFrame {
    /// What it is.
    pub kind: TapKind,
    /// How long its payload is.
    pub len: usize,
    /// How long it is on the wire.
    pub wire_len: usize,
    /// Whether the message ends here.
    pub is_end: bool,
    /// The beginning of its payload.
    pub payload: Bytes,
    /// The beginning of what it is on the wire.
    pub wire: Bytes,
}

/// What a frame is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TapKind {
    /// Of a text.
    Text,
    /// Of a binary message.
    Binary,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// A close, with its code and reason if there is one.
    Close(Option<Close>),
}

impl TapEvent {
    /// How much memory it holds beside itself.
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

/// What connections tell whoever taps them.
#[derive(Debug)]
pub(crate) struct Tapping {
    settings: TapSettings,
    events: Sender<TapEvent>,
    missed: AtomicU64,
    /// How many bytes wait.
    held: AtomicUsize,
}

impl Tapping {
    /// With what is told.
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

    /// How many events there was no room for.
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Notes that an event was taken.
    pub(super) fn taken(&self, event: &TapEvent) {
        self.held.fetch_sub(event.held(), Ordering::Relaxed);
    }

    /// Tells of something, where there is room.
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

/// Looks on at one end of a connection.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) tapping: Arc<Tapping>,
    pub(super) connection: ConnectionId,
    pub(super) end: TapEnd,
}

impl Look {
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

impl Watcher for Look {
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

impl Drop for Look {
    fn drop(&mut self) {
        self.tell(TapWhat::Ended);
    }
}

/// A copy of the first bytes, so that it holds no more than that.
fn first(bytes: &Bytes, most: usize) -> Bytes {
    match bytes.get(..most) {
        Some(first) => Bytes::copy_from_slice(first),
        None => bytes.clone(),
    }
}
