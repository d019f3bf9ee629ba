//! The seam for streams of HTTP/2: a WebSocket is opened there by an extended CONNECT (RFC 8441),
//! whose answer is fields and not text.

use std::fmt;

use super::{Accept, Codec, Context, Request};
use crate::error::HandshakeError;
use crate::fields::Fields;
use crate::http::Head;

/// A protocol that is spoken on streams of HTTP/2 as well.
pub trait StreamProtocol: fmt::Debug {
    /// As a server, validates the extended CONNECT that [`Head::of_connect`] has put down.
    ///
    /// # Errors
    ///
    /// What the head breaks; [`HandshakeError::status`] is the answer.
    fn open_stream(
        &'static self,
        head: Head,
        context: &Context,
    ) -> Result<StreamOpening, HandshakeError>;
}

/// A valid extended CONNECT and who answers it.
#[derive(Debug)]
pub struct StreamOpening {
    /// What the client asks for.
    pub request: Box<Request>,
    /// Who makes the answer.
    pub responder: Box<dyn StreamResponder>,
}

/// Answers an extended CONNECT.
pub trait StreamResponder: fmt::Debug + Send {
    /// The answer that accepts.
    fn respond(&mut self, accept: &Accept) -> StreamAnswer;
}

/// What accepts an extended CONNECT.
#[derive(Debug)]
pub struct StreamAnswer {
    /// The fields that go with status 200.
    pub fields: Fields,
    /// The codec that begins behind them.
    pub codec: Box<dyn Codec>,
}
