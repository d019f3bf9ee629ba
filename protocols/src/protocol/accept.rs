//! The terms on which a request is accepted.

use bytestring::ByteString;

use super::Request;
use crate::fields::Fields;

/// The terms on which a request is accepted.
#[derive(Clone, Debug, Default)]
pub struct Accept {
    /// The subprotocol, which must be among those offered (RFC 6455 §4.2.2). With `base64`, the
    /// convention of websockify, every message is binary and travels as base64 text in both
    /// directions, regardless of `binary_over_text`.
    pub subprotocol: Option<ByteString>,
    /// The handling of binary messages in protocols that have none.
    pub binary_over_text: BinaryOverText,
    /// Further fields for the answer, such as `Set-Cookie`.
    pub fields: Fields,
}

impl Accept {
    /// Accepts with the first offered subprotocol. An application without preferences should do so,
    /// because a browser fails the connection if none of its subprotocols is chosen.
    pub fn first_offered(request: &Request) -> Self {
        Self {
            subprotocol: request.subprotocols.first().cloned(),
            ..Self::default()
        }
    }
}

/// The handling of binary messages for clients whose protocol has none (the hixie protocols).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BinaryOverText {
    /// Sending a binary message is an error, and a relay closes the connection.
    #[default]
    Close,
    /// A binary message is sent as base64 in a text message. Messages from the client stay text.
    Base64,
}
