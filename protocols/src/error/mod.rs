//! Errors, divided by the party at fault.

mod kind;

use thiserror::Error;

use crate::message::CloseCode;

/// The reason for refusing an opening handshake: the client's fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The head of the request is invalid.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The method is not GET (RFC 6455 §4.1).
    #[error("the method of an opening handshake is GET")]
    Method,
    /// The request is not HTTP/1.1.
    #[error("an opening handshake needs HTTP/1.1")]
    HttpVersion,
    /// The `Host` field is missing, repeated or invalid.
    #[error("exactly one valid Host field is needed")]
    Host,
    /// The `Connection` field does not contain the token `upgrade`.
    #[error("the Connection field does not list `upgrade`")]
    Connection,
    /// The `Upgrade` field does not contain the token `websocket`, or is repeated with others.
    #[error("the Upgrade field does not list `websocket`")]
    Upgrade,
    /// A body is announced, which an opening handshake must not have.
    #[error("an opening handshake has no body")]
    Body,
    /// `Sec-WebSocket-Version` is not a supported version.
    #[error("unsupported Sec-WebSocket-Version")]
    Version,
    /// `Sec-WebSocket-Draft` is not a supported draft.
    #[error("unsupported Sec-WebSocket-Draft")]
    Draft,
    /// The version is not a number, or the field is repeated.
    #[error("malformed Sec-WebSocket-Version")]
    MalformedVersion,
    /// The request on an HTTP/2 stream is not of a version that is supported there (RFC 8441 §5).
    #[error("over HTTP/2, Sec-WebSocket-Version is 13")]
    StreamVersion,
    /// The handshake is that of a protocol that is not enabled.
    #[error("{0} is not enabled")]
    Disabled(&'static str),
    /// `Sec-WebSocket-Key` is missing, repeated or malformed.
    #[error("missing or malformed Sec-WebSocket-Key")]
    Key,
    /// `Sec-WebSocket-Key1` or `-Key2` is missing, repeated or breaks the rules of
    /// draft-hixie-76, "Reading the client's opening handshake".
    #[error("invalid Sec-WebSocket-Key1 or Sec-WebSocket-Key2: {0}")]
    Keys(&'static str),
    /// A subprotocol field is empty or has invalid characters.
    #[error("malformed Sec-WebSocket-Protocol")]
    Subprotocol,
    /// `Sec-WebSocket-Extensions` has a syntax error.
    #[error("malformed Sec-WebSocket-Extensions")]
    Extensions,
    /// The origin has invalid characters.
    #[error("malformed Origin")]
    Origin,
    /// Bytes follow a head that must not be followed by any before it is answered.
    #[error("bytes after the head before it was answered")]
    Early,
}

impl HandshakeError {
    /// Returns the section that contains the broken rule; `None` for rules of our own.
    pub const fn section(&self) -> Option<&'static str> {
        Some(match self {
            Self::Head(head) => head.section(),
            Self::Method | Self::HttpVersion => "RFC 6455 §4.2.1, item 1",
            Self::Host => "RFC 6455 §4.2.1, item 2",
            Self::Upgrade => "RFC 6455 §4.2.1, item 3",
            Self::Connection => "RFC 6455 §4.2.1, item 4",
            Self::Key => "RFC 6455 §4.2.1, item 5",
            Self::Body => "RFC 9112 §11.2",
            Self::Version => "RFC 6455 §4.2.2, item 4",
            Self::MalformedVersion => "RFC 6455 §11.3.5",
            Self::StreamVersion => "RFC 8441 §5",
            Self::Draft => "draft-ietf-hybi-thewebsocketprotocol-02",
            Self::Keys(_) => {
                "draft-hixie-thewebsocketprotocol-76, \"Reading the client's opening handshake\""
            }
            Self::Early => {
                "draft-hixie-thewebsocketprotocol-75, \"Reading the client's opening handshake\""
            }
            Self::Subprotocol => "RFC 6455 §11.3.4, in the drafts \"Sec-WebSocket-Protocol\"",
            Self::Extensions => "RFC 6455 §9.1",
            Self::Origin => "RFC 6454 §7",
            Self::Disabled(_) => return None,
        })
    }

    /// Returns the HTTP status of the refusal.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Head(HeadError::TooLong { .. } | HeadError::TooManyFields { .. }) => 431,
            Self::Head(HeadError::FirstLineTooLong { .. }) => 414,
            Self::Method => 405,
            // RFC 6455 §4.2.2, item 4: an unsupported version is answered with 426 and a list.
            Self::Version => 426,
            Self::Head(HeadError::Malformed(_) | HeadError::TooManyInterim)
            | Self::HttpVersion
            | Self::Host
            | Self::Connection
            | Self::Upgrade
            | Self::Body
            | Self::Draft
            | Self::MalformedVersion
            | Self::StreamVersion
            | Self::Disabled(_)
            | Self::Key
            | Self::Keys(_)
            | Self::Subprotocol
            | Self::Extensions
            | Self::Origin
            | Self::Early => 400,
        }
    }
}

/// The reason for refusing the head of a request or a response: its sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The head is longer than allowed.
    #[error("head of more than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The first line alone exceeds the limit on the head.
    #[error("first line of more than {limit} bytes")]
    FirstLineTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The head has more fields than allowed.
    #[error("head of more than {limit} fields")]
    TooManyFields {
        /// The limit.
        limit: usize,
    },
    /// Too many interim responses, or too many bytes of them, precede the final one.
    #[error("too many interim answers")]
    TooManyInterim,
    /// The bytes are not a message head of HTTP/1.1 (RFC 9112).
    #[error("malformed head: {0}")]
    Malformed(Malformed),
}

impl HeadError {
    /// Returns the section that contains the broken rule.
    pub const fn section(self) -> &'static str {
        match self {
            Self::TooLong { .. } | Self::TooManyFields { .. } => "RFC 9110 §5.4",
            Self::FirstLineTooLong { .. } => "RFC 9112 §3",
            Self::TooManyInterim => "RFC 9110 §15.2",
            Self::Malformed(malformed) => malformed.section(),
        }
    }
}

impl From<Malformed> for HeadError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// A defect of a message head (RFC 9110 and 9112).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The first line is that of neither a request nor a response.
    #[error("the first line is not HTTP/1.x")]
    FirstLine,
    /// The target is not of a form that a server of this kind accepts.
    #[error("the target is not a path")]
    Target,
    /// The first line of a response has no status.
    #[error("the first line has no status")]
    Status,
    /// A line begins with white space.
    #[error("a folded field line")]
    Folded,
    /// White space separates the name of a field from its colon.
    #[error("white space before the colon of a field")]
    SpaceBeforeColon,
    /// A line does not begin with a name and a colon.
    #[error("a field line without a name and a colon")]
    FieldLine,
    /// The end of the body is ambiguous: two lengths, a length in addition to a transfer coding, a
    /// coding other than `chunked`, or a head in which a line ends with a bare LF.
    #[error("the end of the body is ambiguous")]
    Body,
    /// A value has a control character other than the tab.
    #[error("a control character in the value of a field")]
    Control,
}

impl Malformed {
    /// Returns the section that contains the broken rule.
    pub const fn section(self) -> &'static str {
        match self {
            Self::FirstLine => "RFC 9112 §3",
            Self::Target => "RFC 9112 §3.2",
            Self::Status => "RFC 9112 §4",
            Self::FieldLine => "RFC 9112 §5",
            Self::SpaceBeforeColon => "RFC 9112 §5.1",
            Self::Folded => "RFC 9112 §5.2",
            Self::Body => "RFC 9112 §6.3",
            Self::Control => "RFC 9110 §5.5",
        }
    }
}

/// A breach of the protocol after the opening handshake: the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A client's frame without a mask (RFC 6455 §5.1).
    #[error("unmasked frame from a client")]
    Unmasked,
    /// A server's frame with a mask (RFC 6455 §5.1).
    #[error("masked frame from a server")]
    Masked,
    /// A reserved bit is set although no extension gave it a meaning (RFC 6455 §5.2).
    #[error("reserved bit set")]
    ReservedBit,
    /// A reserved opcode (RFC 6455 §5.2).
    #[error("reserved opcode {0:#x}")]
    Opcode(u8),
    /// A control frame over 125 bytes, or over 1024 in the drafts that set no bound.
    #[error("control frame of {0} bytes")]
    ControlTooLong(u64),
    /// A control frame in fragments (RFC 6455 §5.5).
    #[error("fragmented control frame")]
    FragmentedControl,
    /// A continuation frame with nothing to continue (RFC 6455 §5.4).
    #[error("continuation without a message")]
    Continuation,
    /// A new message inside a fragmented one (RFC 6455 §5.4).
    #[error("new message inside a fragmented message")]
    Interrupted,
    /// A payload length with the top bit set (RFC 6455 §5.2).
    #[error("payload length of 2^63 or more")]
    Length,
    /// A frame over the limit.
    #[error("frame of {len} bytes is over the limit of {limit}")]
    FrameTooLong {
        /// The announced length, in bytes.
        len: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A message over the limit.
    #[error("message is over the limit of {limit} bytes")]
    MessageTooLong {
        /// The limit in bytes.
        limit: u64,
    },
    /// A message of too many fragments.
    #[error("message of more than {limit} fragments")]
    TooManyFragments {
        /// The limit.
        limit: u32,
    },
    /// More messages per second than allowed.
    #[error("more than {limit} messages a second")]
    TooManyMessages {
        /// The limit.
        limit: u32,
    },
    /// More control frames per second than allowed.
    #[error("more than {limit} control frames a second")]
    TooManyControls {
        /// The limit.
        limit: u32,
    },
    /// Too many bytes in frames that must be discarded (hixie).
    #[error("more than {limit} bytes in frames of unknown type")]
    TooMuchDiscarded {
        /// The limit in bytes.
        limit: u64,
    },
    /// Text that is not UTF-8 (RFC 6455 §8.1).
    #[error("text is not UTF-8")]
    Utf8,
    /// Compressed data that is not DEFLATE (RFC 1951), or ends too early.
    #[error("compressed data is corrupt")]
    Deflate,
    /// A message of the `base64` subprotocol that is not base64.
    #[error("message is not base64")]
    Base64,
    /// A status code that must not appear on the wire (RFC 6455 §7.4).
    #[error("close code {0}")]
    CloseCode(u16),
    /// A close frame with half a status code (RFC 6455 §5.5.1).
    #[error("close frame of one byte")]
    CloseLength,
    /// Nothing was received within the idle timeout.
    #[error("nothing was received within the idle timeout")]
    Idle,
    /// Our ping was not answered within the pong timeout.
    #[error("ping was not answered")]
    Unanswered,
}

impl ProtocolError {
    /// Returns the code of the close frame that reports the error.
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Utf8 | Self::Deflate | Self::Base64 => CloseCode::INVALID_DATA,
            Self::FrameTooLong { .. } | Self::MessageTooLong { .. } => CloseCode::TOO_BIG,
            Self::TooManyFragments { .. }
            | Self::TooManyMessages { .. }
            | Self::TooManyControls { .. }
            | Self::TooMuchDiscarded { .. } => CloseCode::POLICY_VIOLATION,
            Self::Idle | Self::Unanswered => CloseCode::GOING_AWAY,
            Self::Unmasked
            | Self::Masked
            | Self::ReservedBit
            | Self::Opcode(_)
            | Self::ControlTooLong(_)
            | Self::FragmentedControl
            | Self::Continuation
            | Self::Interrupted
            | Self::Length
            | Self::CloseCode(_)
            | Self::CloseLength => CloseCode::PROTOCOL_ERROR,
        }
    }
}

/// The reason for not sending something: the caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The protocol cannot carry the event.
    #[error("{event} cannot be sent over {protocol}")]
    Unsupported {
        /// The event that was to be sent.
        event: &'static str,
        /// The name of the protocol.
        protocol: &'static str,
    },
    /// A ping or pong over 125 bytes, or over 1024 in the drafts before 06.
    #[error("control frame of {0} bytes")]
    ControlTooLong(usize),
    /// A message that is longer than the length in front of it can express or may be.
    #[error("message is over the limit of {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: u64,
    },
    /// A message that is sent in pieces has not ended. No other message may come between them (RFC
    /// 6455 §5.4), nor a close that would end the message (hixie).
    #[error("the previous message has not ended")]
    Unfinished,
    /// The closing handshake has begun (RFC 6455 §5.5.1), or the connection has ended.
    #[error("the connection is closing")]
    Closing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_small() {
        assert!(size_of::<ProtocolError>() <= 24);
        assert!(size_of::<HandshakeError>() <= 24);
        assert!(size_of::<EncodeError>() <= 40);
    }
}
