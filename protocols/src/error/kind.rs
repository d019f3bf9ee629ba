//! The names of errors in metrics.

use super::{HandshakeError, ProtocolError};

impl HandshakeError {
    /// Returns the name for metrics: `key`, `not-enabled`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Head(_) => "head",
            Self::Method => "method",
            Self::HttpVersion => "http-version",
            Self::Host => "host",
            Self::Connection => "connection",
            Self::Upgrade => "upgrade",
            Self::Body => "body",
            Self::Version => "version",
            Self::Draft => "draft",
            Self::MalformedVersion => "malformed-version",
            Self::StreamVersion => "stream-version",
            Self::Disabled(_) => "not-enabled",
            Self::Key => "key",
            Self::Keys(_) => "keys",
            Self::Subprotocol => "subprotocol",
            Self::Extensions => "extensions",
            Self::Origin => "origin",
            Self::Early => "early",
        }
    }
}

impl ProtocolError {
    /// Returns the name for metrics: `utf-8`, `message-too-long`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unmasked => "unmasked",
            Self::Masked => "masked",
            Self::ReservedBit => "reserved-bit",
            Self::Opcode(_) => "opcode",
            Self::ControlTooLong(_) => "control-too-long",
            Self::FragmentedControl => "fragmented-control",
            Self::Continuation => "continuation",
            Self::Interrupted => "interrupted",
            Self::Length => "length",
            Self::FrameTooLong { .. } => "frame-too-long",
            Self::MessageTooLong { .. } => "message-too-long",
            Self::TooManyFragments { .. } => "too-many-fragments",
            Self::TooManyMessages { .. } => "too-many-messages",
            Self::TooManyControls { .. } => "too-many-controls",
            Self::TooMuchDiscarded { .. } => "too-much-discarded",
            Self::Utf8 => "utf-8",
            Self::Deflate => "deflate",
            Self::Base64 => "base64",
            Self::CloseCode(_) => "close-code",
            Self::CloseLength => "close-length",
            Self::Idle => "idle",
            Self::Unanswered => "unanswered",
        }
    }
}
