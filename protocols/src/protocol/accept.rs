//! How a request is accepted.

use bytestring::ByteString;

use super::Request;
use crate::fields::Fields;

/// How a request is accepted.
#[derive(Clone, Debug, Default)]
pub struct Accept {
    /// The subprotocol, one of those offered (RFC 6455 §4.2.2). Choosing `base64` makes
    /// every message binary, sent as base64 text in both directions: the convention of websockify,
    /// whatever `binary_over_text` says.
    pub subprotocol: Option<ByteString>,
    /// How binary messages travel where the protocol has none.
    pub binary_over_text: BinaryOverText,
    /// Further fields for the answer, such as `Set-Cookie`.
    pub fields: Fields,
}

impl Accept {
    /// Accepts with the subprotocol that was offered first: an application that does not care
    /// says yes to any, as browsers fail where none of theirs is chosen.
    pub fn first_offered(request: &Request) -> Self {
        Self {
            subprotocol: request.subprotocols.first().cloned(),
            ..Self::default()
        }
    }
}

/// How binary messages travel to a client whose protocol has none (the hixie protocols).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BinaryOverText {
    /// Not at all: sending one is an error, and a relay closes the connection.
    #[default]
    Close,
    /// As base64 in a text message; what the client sends stays text.
    Base64,
}
