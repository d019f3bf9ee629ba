//! What is wrong with a message.

use polysock_protocols::{Close, CloseCode};
use thiserror::Error;

/// What is wrong with the message of a client, which is closed for it.
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
    /// The message is no JSON.
    #[error("no JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// The message is something else than a list.
    #[error("no list, as each message of WAMP is one")]
    NotAList,
    /// The first element is no type of a message.
    #[error("the first element is none of 1, 2, 5, 6 and 7, the types of messages")]
    Type,
    /// The message is one of those that come from servers.
    #[error("{0} comes from servers alone")]
    OfServers(&'static str),
    /// There are too few elements.
    #[error("{message} has at least {needed} elements, and this one has {elements}")]
    TooShort {
        /// The message.
        message: &'static str,
        /// How many there are.
        elements: usize,
        /// How many there have to be.
        needed: usize,
    },
    /// An element is something else than it has to be.
    #[error("the {element} of {message} is no {wanted}")]
    Element {
        /// The message.
        message: &'static str,
        /// The element.
        element: &'static str,
        /// What it has to be.
        wanted: &'static str,
    },
    /// Something is too long.
    #[error("a {what} of {len} bytes is over the limit of {max}")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// Its bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// There is too much of something.
    #[error("more than {max} {what}")]
    TooMany {
        /// What it is.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

impl MessageError {
    /// The code that its client is closed with.
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

    /// The close that its client is told.
    pub fn close(&self) -> Close {
        Close::new(self.close_code(), self.to_string())
    }
}
