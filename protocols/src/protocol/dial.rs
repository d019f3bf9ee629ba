//! The client's side of an opening handshake.

use std::fmt;

use bytes::BytesMut;
use bytestring::ByteString;
use thiserror::Error;

use super::Codec;
use crate::error::{HeadError, Malformed};
use crate::fields::Fields;
use crate::http::{Head, HeadLimits};
use crate::secrets::{hide_in_subprotocols, hide_secrets};

/// The request of a client.
#[derive(Clone, Default)]
pub struct Dial {
    /// Whether the scheme is `wss`.
    pub secure: bool,
    /// Host and port for the `Host` field, without the port if it is the default of the scheme.
    pub host: ByteString,
    /// Path and query; empty means `/`.
    pub target: ByteString,
    /// The origin. The hixie protocols require one, and use the server's origin for `None`.
    pub origin: Option<ByteString>,
    /// The subprotocols to offer, in order of preference.
    pub subprotocols: Vec<ByteString>,
    /// Further fields, such as `Cookie`.
    pub fields: Fields,
    /// The limits for the head of the answer.
    pub answer: HeadLimits,
}

impl Dial {
    /// The first line of the request.
    pub(crate) fn first_line(&self) -> String {
        let target = match &*self.target {
            "" => "/",
            target => target,
        };
        format!("GET {target} HTTP/1.1")
    }
}

// Hides secrets.
impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial")
            .field("secure", &self.secure)
            .field("host", &self.host)
            .field("target", &hide_secrets(&self.target))
            .field("origin", &self.origin.as_deref().map(hide_secrets))
            .field("subprotocols", &hide_in_subprotocols(&self.subprotocols))
            .field("fields", &self.fields)
            .field("answer", &self.answer)
            .finish()
    }
}

/// A server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The subprotocol that the server chose.
    pub subprotocol: Option<ByteString>,
    /// The whole head.
    pub head: Head,
}

/// A connection that a server accepted.
#[derive(Debug)]
pub struct Dialled {
    /// The server's answer.
    pub response: Response,
    /// The codec for the bytes after the answer.
    pub codec: Box<dyn Codec>,
}

/// Performs an opening handshake as a client: the counterpart of [`Responder`](super::Responder).
pub trait Dialer: fmt::Debug + Send {
    /// Appends the next part of the request to `dst`, and removes the bytes of the answer from
    /// `src`. Returns the answer and the codec once the handshake is complete. On `None`, write
    /// `dst` to the server, read more into `src`, and call again.
    ///
    /// # Errors
    ///
    /// The server refused, or its answer violates the protocol.
    fn advance(
        &mut self,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Dialled>, DialError>;
}

/// The reason why a handshake that we began has failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DialError {
    /// The protocol cannot express a part of the request.
    #[error("this protocol cannot request {0}")]
    Unsupported(&'static str),
    /// The server refused: its status is not 101 (RFC 6455 §4.1). The head may be forwarded to a
    /// client. The body is still in the buffer.
    #[error("the server answered with {0}")]
    Refused(Box<Response>),
    /// The head of the answer is malformed or over its limits.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// A field of the answer, or the challenge after its head, is missing or wrong (RFC 6455 §4.1).
    #[error("the server's answer lacks a valid {0}")]
    Answer(&'static str),
}

/// The status, and the `Location` of a redirect without its secrets.
impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.head.status().unwrap_or_default();
        write!(f, "status {status}")?;
        match self.head.value("location") {
            Some(location) if (300..400).contains(&status) => {
                let location = location.escape_ascii().to_string();
                write!(f, ", Location: {}", hide_secrets(&location))
            }
            _ => Ok(()),
        }
    }
}

impl Response {
    /// Checks that the status is 101.
    pub(crate) fn check_status(head: &Head) -> Result<(), DialError> {
        match head.status() {
            Some(101) => Ok(()),
            Some(_) => Err(DialError::Refused(Box::new(Self {
                subprotocol: None,
                head: head.clone(),
            }))),
            None => Err(HeadError::Malformed(Malformed::Status).into()),
        }
    }
}
