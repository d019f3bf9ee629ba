//! Errors in the messages of clients.

use polysock_protocols::{Close, CloseCode};
use thiserror::Error;

/// An error in a client's message. The client is closed for it.
///
/// ```
/// use polysock::apps::wamp::{ClientMessage, Limits};
///
/// let error = ClientMessage::read("[7]", &Limits::default()).unwrap_err();
/// assert_eq!(error.close_code().get(), 1007);
/// let reason = "PUBLISH needs at least 3 elements, and this one has 1";
/// assert_eq!(error.close().reason, reason);
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The message is binary.
    #[error("the message is binary: WAMP messages are text")]
    Binary,
    /// The message is not valid JSON.
    #[error("the message is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// The message is not a list.
    #[error("the message is not a list")]
    NotAList,
    /// The first element is not a type of client messages.
    #[error("the first element is not a message type: 1, 2, 5, 6 or 7")]
    Type,
    /// The message is one that only servers send.
    #[error("only servers send {0}")]
    OfServers(&'static str),
    /// There are too few elements.
    #[error("{message} needs at least {needed} elements, and this one has {elements}")]
    TooShort {
        /// The message.
        message: &'static str,
        /// The number of elements.
        elements: usize,
        /// The required number of elements.
        needed: usize,
    },
    /// An element has the wrong type.
    #[error("the {element} of {message} is not a {wanted}")]
    Element {
        /// The message.
        message: &'static str,
        /// The element.
        element: &'static str,
        /// The required type.
        wanted: &'static str,
    },
    /// A value is too long.
    #[error("a {what} of {len} bytes is over the limit of {max}")]
    TooLong {
        /// The name of the value.
        what: &'static str,
        /// The length, in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// There are too many values.
    #[error("more than {max} {what}")]
    TooMany {
        /// The name of the values.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

impl MessageError {
    /// Returns the code with which the client is closed.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::Binary => CloseCode::UNSUPPORTED_DATA,
            Self::NotJson(_)
            | Self::NotAList
            | Self::Type
            | Self::OfServers(_)
            | Self::TooShort { .. }
            | Self::Element { .. } => CloseCode::INVALID_DATA,
            Self::TooLong { .. } | Self::TooMany { .. } => CloseCode::POLICY_VIOLATION,
        }
    }

    /// Returns the close for the client.
    pub fn close(&self) -> Close {
        Close::new(self.close_code(), self.to_string())
    }
}
