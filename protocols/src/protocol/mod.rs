//! The interface of a protocol: the traits that each one implements, and the values they exchange
//! with their callers.
//!
//! A [`Protocol`] is a value in a list. As a server, the protocol recognises an opening handshake
//! and opens it, and a [`Responder`] writes the answer. As a client, the protocol dials and a
//! [`Dialer`] reads the answer. Both end in a [`Codec`]. No other code knows a protocol by its name.
//!
//! ```text
//!   server   Head ──recognise──▶ open ──▶ Responder ──respond──▶ Codec
//!   client   Dial ─────────────▶ dial ──▶ Dialer ────advance───▶ Codec
//! ```

mod accept;
mod dial;
mod request;
pub(crate) mod short_frames;

use std::any::Any;
use std::fmt;

use bytes::BytesMut;

use crate::compression::Compression;
use crate::error::{EncodeError, HandshakeError, ProtocolError};
use crate::fields::Fields;
use crate::http::Head;
use crate::message::{Event, Kind, WireForm};

use crate::write_buf::WriteBuf;

pub use self::accept::{Accept, BinaryOverText};
pub use self::dial::{Dial, DialError, Dialer, Dialled, Response};
pub use self::request::{PackedRequest, Request};
pub use self::short_frames::ShortFrames;

/// A WebSocket protocol: one draft, or the RFC.
pub trait Protocol: fmt::Debug + Send + Sync {
    /// The name: `hixie-76`, `rfc6455`; the same in logs, flags and metrics.
    fn name(&self) -> &'static str;

    /// The value of `Sec-WebSocket-Version`, where the protocol has that field.
    fn version(&self) -> Option<u8>;

    /// The browsers and libraries that spoke the protocol, as text for people.
    fn spoken_by(&self) -> &'static str;

    /// The kinds of messages and control frames that the protocol has.
    fn capabilities(&self) -> Capabilities;

    /// The part of a frame that clients mask.
    fn masking(&self) -> Masking;

    /// The number of bytes that follow the heads of the opening handshake.
    fn challenge(&self) -> Challenge {
        Challenge::default()
    }

    /// The number of lines in the answer, counted from the status line, that clients compare byte by
    /// byte.
    fn literal_lines(&self) -> usize {
        0
    }

    /// Whether a client may offer more than one subprotocol.
    fn lists_subprotocols(&self) -> bool {
        true
    }

    /// Decides whether a complete head that asks for a WebSocket belongs to this protocol.
    ///
    /// The recognisers are disjoint: at most one protocol returns [`Match::Yes`] for a head.
    fn recognise(&self, head: &Head) -> Match;

    /// Validates a recognised handshake as a server, and copies the parts that must outlive the
    /// head. Nothing is written yet. `self` is static because the request refers to its protocol.
    ///
    /// # Errors
    ///
    /// The rule that the head breaks; [`HandshakeError::status`] is the status to answer with.
    fn open(&'static self, head: Head, context: &Context) -> Result<Opening, HandshakeError>;

    /// Begins a handshake as a client.
    ///
    /// # Errors
    ///
    /// [`DialError::Unsupported`] if the protocol cannot express a part of the request.
    fn dial(&self, dial: &Dial, context: &Context) -> Result<Box<dyn Dialer>, DialError>;

    /// Whether the protocol also runs on streams of HTTP/2. If so, [`open`](Self::open) also
    /// receives heads for which [`Head::is_connect`] is true, and the responder answers these with a
    /// [`StreamAnswer`](Responder::respond_on_stream).
    fn is_spoken_on_streams(&self) -> bool {
        false
    }
}

/// The part of a client's frames that is masked (RFC 6455 §5.3). A server masks nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masking {
    /// Nothing: a page can choose the bytes on the wire and, on plain TCP, poison the caches of
    /// transparent proxies (RFC 6455 §10.3).
    None,
    /// The whole frame, header included.
    Frame,
    /// The payload.
    Payload,
}

/// The numbers of bytes that follow the heads of an opening handshake without being announced by a
/// `Content-Length`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Bytes after the head of the request.
    pub request: usize,
    /// Bytes after the head of the answer.
    pub answer: usize,
}

/// The verdict of a protocol on a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The head belongs to another protocol, for this reason: `it has no Sec-WebSocket-Version`.
    No(&'static str),
    /// The protocol can serve the head if no other enabled protocol returns `Yes`.
    Fallback,
    /// The head belongs to this protocol.
    Yes,
}

/// The surroundings of a handshake. The caller supplies them, because nothing in this crate reads a
/// socket, a clock or a random device.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Whether the page uses `wss://`: TLS ended here or at a trusted proxy.
    pub secure: bool,
    /// The limits above which the codec refuses a frame.
    pub limits: Limits,
    /// The compression to negotiate; `None` disables compression. Only hybi-07 and its successors
    /// can compress.
    pub compression: Option<Compression>,
    /// Fills a buffer with unpredictable bytes (RFC 6455 §10.3).
    pub entropy: fn(&mut [u8]),
}

/// The limits of a codec on the frames of its peer. Each limit is the largest accepted value.
///
/// The session limits whole messages: [`SessionConfig::max_message`](crate::SessionConfig).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Payload bytes in a frame.
    pub frame: u64,
    /// Frames in a message.
    pub fragments: u32,
    /// Bytes that a connection may send in frames of unknown type (hixie), headers included. The
    /// codec discards such frames.
    pub discarded: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: u64::MAX,
            fragments: 1 << 17,
            discarded: 1 << 20,
        }
    }
}

/// The kinds of messages and control frames that a protocol has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether binary messages can be sent.
    pub binary: bool,
    /// Whether the protocol has pings and pongs.
    pub ping: bool,
    /// The way in which a connection ends.
    pub close: CloseForm,
}

/// The way in which a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseForm {
    /// The byte stream ends, without a closing handshake.
    Eof,
    /// A closing handshake without a close code.
    Bare,
    /// A closing handshake with a close code and a reason.
    Code,
}

/// A valid request, and the responder that answers it.
#[derive(Debug)]
pub struct Opening {
    /// The request of the client.
    pub request: Box<Request>,
    /// The writer of the answer.
    pub responder: Box<dyn Responder>,
}

/// Answers an opening handshake, in as many steps as the protocol needs: Hixie-76 needs two.
pub trait Responder: fmt::Debug + Send {
    /// Appends the next part of the answer to `dst`, and removes the bytes of the handshake from
    /// `src`. Returns the codec once the handshake is complete. On `None`, write `dst` to the
    /// client, read more into `src`, and call again with the same `accept`.
    ///
    /// # Errors
    ///
    /// The handshake failed. If the head of the answer was already sent, drop the connection: an
    /// HTTP error can no longer be sent.
    fn respond(
        &mut self,
        accept: &Accept,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Box<dyn Codec>>, HandshakeError>;

    /// The answer to an extended CONNECT of HTTP/2 (RFC 8441), which has fields in place of text.
    /// `None` if the request is not one.
    fn respond_on_stream(&mut self, _accept: &Accept) -> Option<StreamAnswer> {
        None
    }
}

/// The answer that accepts an extended CONNECT.
#[derive(Debug)]
pub struct StreamAnswer {
    /// The fields that accompany status 200.
    pub fields: Fields,
    /// The codec for the bytes of the stream.
    pub codec: Box<dyn Codec>,
}

/// Turns bytes into events, and events into bytes.
///
/// A codec never replies, waits or reads a clock. The [`Session`](crate::Session) does everything
/// that all protocols share. A codec must implement `decode`, `encode` and `capabilities`; the other
/// methods have defaults.
pub trait Codec: Any + fmt::Debug + Send {
    /// Removes the next event from `src`. `None` means that more bytes are needed. Payload is
    /// returned as soon as it was received, so a frame larger than the buffer arrives in pieces.
    ///
    /// # Errors
    ///
    /// A violation of the protocol. The codec must not be used afterwards.
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, ProtocolError>;

    /// Appends an event to `dst`. The pieces of a message must not be mixed with another's;
    /// control events may stand between them.
    ///
    /// # Errors
    ///
    /// The protocol cannot express the event. In this case nothing was appended.
    fn encode(&mut self, event: Event, dst: &mut WriteBuf) -> Result<(), EncodeError>;

    /// The layout of short messages, for an optional fast path: the caller removes such messages
    /// from the buffer by itself, and calls [`decode`](Self::decode) for everything else. A codec
    /// that returns a layout promises that such a message never changes its state.
    fn reads(&self) -> Option<ShortFrames> {
        None
    }

    /// The layout in which the caller may write whole short messages by itself, between two
    /// messages of the codec. Fixed once the handshake is complete. A codec that returns a layout
    /// promises that such a message never changes its state.
    fn writes(&self) -> Option<ShortFrames> {
        None
    }

    /// A masking key for a message that the caller writes by itself: fresh and unpredictable (RFC
    /// 6455 §5.3).
    fn masking_key(&mut self) -> [u8; 4] {
        [0; 4]
    }

    /// The number of payload bytes that are still to come in the current data frame, counted
    /// before decompression. `None` if the protocol does not announce it.
    fn announced(&self) -> Option<u64> {
        None
    }

    /// The bytes of memory that the codec holds for this connection, besides its own size. `None`
    /// if the codec never holds any; whether it does is fixed once the handshake is complete.
    fn held(&self) -> Option<usize> {
        None
    }

    /// The name of the extension in use (RFC 6455 §9), without its parameters. Fixed once the
    /// handshake is complete.
    fn extension(&self) -> Option<&'static str> {
        None
    }

    /// The kinds of messages that can be sent. Fixed once the handshake is complete.
    fn capabilities(&self) -> Capabilities;

    /// The form in which a whole message of this kind is written. Connections with the same form
    /// can share its bytes. `None` if the bytes differ per connection, as with masking, or if the
    /// kind cannot be sent.
    fn wire_form(&self, _: Kind) -> Option<WireForm> {
        None
    }
}

/// Our end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We accepted.
    Server,
    /// We dialled.
    Client,
}
