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
/// let reason = "PUBLISH has at least 3 elements, and this one has 1";
/// assert_eq!(error.close().reason, reason);
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The message is binary.
    #[error("a binary message: those of WAMP are text")]
    Binary,
    /// The message is not valid JSON.
    #[error("no JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// The message is not a list.
    #[error("no list, as each message of WAMP is one")]
    NotAList,
    /// The first element is not a type of client messages.
    #[error("the first element is none of 1, 2, 5, 6 and 7, the types of messages")]
    Type,
    /// The message is one that only servers send.
    #[error("{0} comes from servers alone")]
    OfServers(&'static str),
    /// There are too few elements.
    #[error("{message} has at least {needed} elements, and this one has {elements}")]
    TooShort {
        /// The message.
        message: &'static str,
        /// The number of elements.
        elements: usize,
        /// The required number of elements.
        needed: usize,
    },
    /// An element has the wrong type.
    #[error("the {element} of {message} is no {wanted}")]
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
