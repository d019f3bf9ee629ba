//! The client's side of an opening handshake.

use std::fmt;

use bytes::BytesMut;
use bytestring::ByteString;

use super::Codec;
use crate::error::HandshakeError;
use crate::fields::Fields;
use crate::http::Head;

/// What a client asks for.
#[derive(Clone, Debug, Default)]
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

/// A server's answer, checked.
#[derive(Clone, Debug)]
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

/// Dials an opening handshake: the mirror image of [`Responder`].
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
    ) -> Result<Option<Dialled>, HandshakeError>;
}
