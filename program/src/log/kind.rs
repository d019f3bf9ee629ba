//! The kinds of lines in the access log.

use std::fmt::{self, Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// The kind of a line in the access log, determined by its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A WebSocket was opened.
    Open,
    /// A WebSocket was closed.
    Close,
    /// An ordinary request was answered.
    Request,
    /// The application of a route rejected an opening handshake.
    Reject,
    /// The port refused a connection or a request.
    Refuse,
}

impl Kind {
    /// Returns the kind of an event; `None` if the event belongs to the error log.
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        let metadata = event.metadata();
        if *metadata.level() != Level::INFO || !metadata.target().starts_with("polysock") {
            return None;
        }
        let mut message = Message(None);
        event.record(&mut message);
        message.0
    }

    /// The message of lines of this kind.
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

/// A visitor of the message alone.
struct Message(Option<Kind>);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let mut text = Short::default();
            // A longer text is not the name of a kind.
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

/// A buffer no longer than the longest name of a kind.
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
