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

/// What a client asks for.
#[derive(Clone, Default)]
pub struct Dial {
    /// Whether the scheme is `wss`.
    pub secure: bool,
    /// Host and port for the `Host` field; the port is left out where it is the scheme's own.
    pub host: ByteString,
    /// Path and query; empty means `/`.
    pub target: ByteString,
    /// The origin; the hixie protocols need one and take the server's where this is `None`.
    pub origin: Option<ByteString>,
    /// The subprotocols to offer, in order of preference.
    pub subprotocols: Vec<ByteString>,
    /// Further fields, such as `Cookie`.
    pub fields: Fields,
    /// What the head of the answer may take.
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

// Secrets are not shown.
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
    /// The codec that begins behind it.
    pub codec: Box<dyn Codec>,
}

/// Dials an opening handshake: the mirror image of [`Responder`](super::Responder).
pub trait Dialer: fmt::Debug + Send {
    /// Appends to `dst` what is to be sent now, and takes off `src` what belongs to the
    /// handshake. Returns both when the handshake is complete; before that, write
    /// `dst` out, read more into `src` and call again.
    ///
    /// # Errors
    ///
    /// The server refused, or its answer is not what the protocol demands.
    fn advance(
        &mut self,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Dialled>, DialError>;
}

/// Why an opening handshake fails that we have begun.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DialError {
    /// We asked for what the protocol cannot express.
    #[error("cannot be asked for in this protocol: {0}")]
    Unsupported(&'static str),
    /// The server refused: its status is not 101 (RFC 6455 §4.1). What stands in its head may be
    /// passed on; the body behind it has not been taken off the buffer.
    #[error("the server answered with {0}")]
    Refused(Box<Response>),
    /// The head of the server's answer.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// A field of the answer, or what follows its head, is missing or wrong (RFC 6455 §4.1).
    #[error("the server's answer lacks a valid {0}")]
    Answer(&'static str),
}

/// The status, and where else the server says to go: its secrets are hidden.
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
    /// A head that says 101.
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
