//! The data of a connection: messages for applications, events for codecs.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

/// A whole message that an application sends or receives.
///
/// Pings, pongs and closes are not messages: the [`Session`](crate::Session) answers them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Message {
    /// UTF-8 text.
    Text(ByteString),
    /// Any bytes.
    Binary(Bytes),
}

impl Message {
    /// Creates a text message.
    pub fn text(text: impl Into<ByteString>) -> Self {
        Self::Text(text.into())
    }

    /// Creates a binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Returns the payload of either kind.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the text; `None` if the message is binary.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }
}

// Only the kind and the length are shown: payloads must not appear in logs.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Text(_) => "Text",
            Self::Binary(_) => "Binary",
        };
        write!(f, "{kind}({} bytes)", self.as_bytes().len())
    }
}

/// A message that may be borrowed. A short message is borrowed from the read buffer, without a copy
/// or an allocation.
#[derive(Clone)]
pub enum MessageRef<'a> {
    /// UTF-8 text, borrowed.
    Text(&'a str),
    /// Any bytes, borrowed.
    Binary(&'a [u8]),
    /// A message that is long or arrived in pieces.
    Owned(Message),
}

impl MessageRef<'_> {
    /// Returns the payload of either kind.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
            Self::Owned(message) => message.as_bytes(),
        }
    }

    /// Returns the text; `None` if the message is binary.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
            Self::Owned(message) => message.as_text(),
        }
    }

    /// Returns the message, copied if it was borrowed.
    pub fn into_owned(self) -> Message {
        match self {
            Self::Text(text) => Message::text(text),
            Self::Binary(bytes) => Message::Binary(Bytes::copy_from_slice(bytes)),
            Self::Owned(message) => message,
        }
    }
}

impl fmt::Debug for MessageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clone().into_owned().fmt(f)
    }
}

impl From<Message> for MessageRef<'_> {
    fn from(message: Message) -> Self {
        Self::Owned(message)
    }
}

impl<'a> From<&'a str> for MessageRef<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for MessageRef<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Binary(bytes)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(ByteString::from(text))
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(ByteString::from(text))
    }
}

impl From<Message> for Piece {
    fn from(message: Message) -> Self {
        let (kind, payload) = match message {
            Message::Text(text) => (Kind::Text, text.into_bytes()),
            Message::Binary(bytes) => (Kind::Binary, bytes),
        };
        Self {
            kind,
            payload,
            end: true,
        }
    }
}

/// Whether a message is text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text (RFC 6455 §5.6).
    Text,
    /// Any bytes.
    Binary,
}

/// A message, or a run of bytes out of one.
///
/// The pieces of a message are consecutive; the last has `end` set. A cut may fall anywhere, even
/// inside a character of a text.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece {
    /// The kind of the message, the same in each of its pieces.
    pub kind: Kind,
    /// The bytes; may be empty.
    pub payload: Bytes,
    /// Whether this is the last piece of the message.
    pub end: bool,
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.end { ", end" } else { "" };
        write!(f, "{:?}({} bytes{end})", self.kind, self.payload.len())
    }
}

/// A message or a piece of one that may be borrowed. A short message is never split.
#[derive(Clone, Debug)]
pub enum PieceRef<'a> {
    /// A whole message.
    Message(MessageRef<'a>),
    /// A piece of a message, or a whole message that is long or arrived in pieces.
    Piece(Piece),
}

/// An event that a codec decodes from bytes or encodes into bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message or a piece of one.
    Data(Piece),
    /// A ping with its payload.
    Ping(Bytes),
    /// A pong with its payload.
    Pong(Bytes),
    /// The start of the closing handshake, or its answer; `None` if it has no status.
    Close(Option<Close>),
}

/// A form in which messages are written. Codecs with the same form write the same bytes for the
/// same message, so that a message sent to many peers is encoded once for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WireForm {
    framing: &'static str,
    base64: bool,
    /// Level, window bits and threshold if each message is compressed independently, else `None`.
    deflate: Option<(u32, u8, usize)>,
}

impl WireForm {
    /// Creates the form of a framing, named after the first protocol that had it.
    pub const fn new(framing: &'static str) -> Self {
        Self {
            framing,
            base64: false,
            deflate: None,
        }
    }

    /// Returns this form with messages in base64.
    #[must_use]
    pub const fn in_base64(self) -> Self {
        Self {
            base64: true,
            ..self
        }
    }

    /// Returns this form with each message compressed independently.
    pub(crate) const fn deflated(self, level: u32, max_bits: u8, threshold: usize) -> Self {
        Self {
            deflate: Some((level, max_bits, threshold)),
            ..self
        }
    }
}

/// The reason for closing a connection (RFC 6455 §5.5.1).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Close {
    /// The status code.
    pub code: CloseCode,
    /// A reason for people to read, at most [`Close::MAX_REASON`] bytes on the wire.
    pub reason: ByteString,
}

impl Close {
    /// The longest reason, in bytes: the 125 of a control frame minus two for the code.
    pub const MAX_REASON: usize = 123;

    /// Creates a close; a reason over [`Close::MAX_REASON`] bytes is cut before the character that
    /// does not fit.
    pub fn new(code: CloseCode, reason: impl Into<ByteString>) -> Self {
        let reason = reason.into();
        let fits = reason.len().min(Self::MAX_REASON);
        // A character boundary is at most three bytes away.
        let cut = (0..=fits)
            .rev()
            .find_map(|end| reason.get(..end))
            .unwrap_or_default();
        Self {
            code,
            reason: reason.slice_ref(cut),
        }
    }
}

impl From<CloseCode> for Close {
    fn from(code: CloseCode) -> Self {
        Self {
            code,
            reason: ByteString::new(),
        }
    }
}

impl fmt::Debug for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.code, self.reason)
    }
}

/// A side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Our side.
    Local,
    /// The peer.
    Peer,
}

/// The outcome of a connection that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The side that began the close.
    pub by: Side,
    /// The code and reason from that side; `None` if it gave none or the protocol has none.
    pub close: Option<Close>,
    /// Whether the closing handshake was completed, if the protocol has one.
    pub clean: bool,
}

/// A status code that may appear on the wire (RFC 6455 §7.4 and the registry that it created).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose has been fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server shuts down, or a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: a breach of the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: data of a kind that cannot be accepted.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: data that does not match its kind, such as text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: a breach of policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message that is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// 1011: an unexpected condition at the server.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts (registered at IANA).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1014: the gateway got an invalid response from its upstream.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1013: the server is temporarily overloaded.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// Returns the code; `None` if RFC 6455 §7.4 forbids it on the wire: below 1000, the reserved
    /// 1004, 1005, 1006 and 1015, the unassigned up to 2999, and 5000 and above.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// Returns the number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_the_codes_that_must_not_be_sent() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
            assert_eq!(CloseCode::new(code), None, "{code}");
        }
        for code in [1000, 1003, 1007, 1014, 3000, 4999] {
            assert_eq!(CloseCode::new(code).map(CloseCode::get), Some(code));
        }
    }

    #[test]
    fn cuts_a_long_reason_between_characters() {
        let close = Close::new(CloseCode::NORMAL, "é".repeat(100));
        assert_eq!(close.reason.len(), 122);
        assert_eq!(Close::new(CloseCode::NORMAL, "bye").reason, "bye");
    }
}
