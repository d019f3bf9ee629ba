//! What a line of the access log is about.

use std::fmt::{self, Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// What a line of the access log is about, by its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A WebSocket is open.
    Open,
    /// It is closed.
    Close,
    /// An ordinary request has had its answer.
    Request,
    /// An opening handshake is rejected by what serves its route.
    Reject,
    /// A connection, or what it asks for, is refused by the port.
    Refuse,
}

impl Kind {
    /// The kind of an event; `None` for one that belongs to the error log.
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        let metadata = event.metadata();
        if *metadata.level() != Level::INFO || !metadata.target().starts_with("polysock") {
            return None;
        }
        let mut message = Message(None);
        event.record(&mut message);
        message.0
    }

    /// The message of such a line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Close => "close",
            Self::Request => "request",
            Self::Reject => "reject",
            Self::Refuse => "refuse",
        }
    }

    fn named(name: &[u8]) -> Option<Self> {
        let all = [
            Self::Open,
            Self::Close,
            Self::Request,
            Self::Reject,
            Self::Refuse,
        ];
        let mut all = all.into_iter();
        all.find(|kind| kind.name().as_bytes() == name)
    }
}

/// Looks at the message alone.
struct Message(Option<Kind>);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let mut text = Short::default();
            // A longer text is none of a kind.
            if write!(text, "{value:?}").is_ok() {
                self.0 = text.bytes.get(..text.len).and_then(Kind::named);
            }
        }
    }

    fn record_str(&mut self, _: &Field, _: &str) {}
    fn record_u64(&mut self, _: &Field, _: u64) {}
    fn record_i64(&mut self, _: &Field, _: i64) {}
    fn record_f64(&mut self, _: &Field, _: f64) {}
    fn record_bool(&mut self, _: &Field, _: bool) {}
}

/// A text no longer than the name of a kind.
#[derive(Default)]
struct Short {
    bytes: [u8; 7],
    len: usize,
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
