//! The seam: what a protocol is, and the values it exchanges with the rest.
//!
//! A [`Protocol`] is a value in a list. It recognises an opening handshake, opens it (a
//! [`Responder`] writes the answer), can also dial one (a [`Dialer`]), and both end in a
//! [`Codec`]. Nothing else in the program knows a protocol by its name.
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

    /// Who spoke it, for people.
    fn spoken_by(&self) -> &'static str;

    /// What its messages can carry.
    fn capabilities(&self) -> Capabilities;

    /// What clients mask of what they send.
    fn masking(&self) -> Masking;

    /// How many bytes of the opening handshake follow the heads of its request and its answer.
    fn challenge(&self) -> Challenge {
        Challenge::default()
    }

    /// How many lines of the answer's head clients compare to the byte, the first line included.
    fn literal_lines(&self) -> usize {
        0
    }

    /// Whether a client may offer more than one subprotocol.
    fn lists_subprotocols(&self) -> bool {
        true
    }

    /// Looks at a complete head that asks for a WebSocket. The recognisers are disjoint: no two say [`Match::Yes`] to the
    /// same head.
    fn recognise(&self, head: &Head) -> Match;

    /// As a server, validates the handshake that was recognised and copies what must outlive
    /// it; writes nothing. Protocols are static, so that a request can say which it is of.
    ///
    /// # Errors
    ///
    /// What the head breaks; [`HandshakeError::status`] is the answer.
    fn open(&'static self, head: Head, context: &Context) -> Result<Opening, HandshakeError>;

    /// As a client, begins a handshake.
    ///
    /// # Errors
    ///
    /// [`DialError::Unsupported`] where the protocol cannot express what is asked for.
    fn dial(&self, dial: &Dial, context: &Context) -> Result<Box<dyn Dialer>, DialError>;

    /// Whether it is spoken on streams of HTTP/2 too. Its [`open`](Self::open) is then also given
    /// heads that [`Head::is_connect`], for which its responder makes a
    /// [`StreamAnswer`](Responder::respond_on_stream).
    fn is_spoken_on_streams(&self) -> bool {
        false
    }
}

/// What of a client's frames is masked (RFC 6455 §5.3); a server's never are.
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

/// How many bytes of an opening handshake stand behind its heads, which no `Content-Length`
/// announces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Behind the head of the request.
    pub request: usize,
    /// Behind the head of the answer.
    pub answer: usize,
}

/// What a protocol says to a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The head is of another protocol, and how that is known: `it has no Sec-WebSocket-Version`.
    No(&'static str),
    /// It can serve the head, if no other protocol that is enabled says `Yes`.
    Fallback,
    /// The head is of this protocol.
    Yes,
}

/// What a handshake must be told by its surroundings: nothing here reads a socket, a clock or a
/// random device.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Whether the page sees `wss://`: TLS ended here, or at a proxy that is trusted.
    pub secure: bool,
    /// What a codec refuses.
    pub limits: Limits,
    /// How messages are compressed where the peer agrees; `None` for not at all. Only hybi-07 and
    /// its successors can.
    pub compression: Option<Compression>,
    /// Fills a buffer with bytes that nobody can predict (RFC 6455 §10.3).
    pub entropy: fn(&mut [u8]),
}

/// What of a peer's frames a codec takes before it refuses; what a message may take is its session's
/// ([`SessionConfig::max_message`](crate::SessionConfig)). A limit is the largest value that is
/// accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of payload in a frame.
    pub frame: u64,
    /// Frames in a message.
    pub fragments: u32,
    /// Bytes that a connection may spend in frames of unknown type (hixie), which are discarded;
    /// those of their headers count.
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

/// What the messages of a protocol can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether binary messages can be sent.
    pub binary: bool,
    /// Whether there are pings and pongs.
    pub ping: bool,
    /// How a connection ends.
    pub close: CloseForm,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseForm {
    /// With the end of the byte stream: there is no closing handshake.
    Eof,
    /// With a closing handshake that carries no status.
    Bare,
    /// With a closing handshake that carries a code and a reason.
    Code,
}

/// A valid request and who answers it.
#[derive(Debug)]
pub struct Opening {
    /// What the client asks for.
    pub request: Box<Request>,
    /// Who writes the answer.
    pub responder: Box<dyn Responder>,
}

/// Answers an opening handshake. A loop, because Hixie-76 answers in two steps.
pub trait Responder: fmt::Debug + Send {
    /// Appends to `dst` what of the answer can be written now, and takes off `src` what belongs
    /// to the handshake. Returns the codec when the handshake is complete; before that, write
    /// `dst` out, read more into `src` and call again with the same `accept`.
    ///
    /// # Errors
    ///
    /// After the head is out nothing can be refused any more: the connection is to be dropped.
    fn respond(
        &mut self,
        accept: &Accept,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Box<dyn Codec>>, HandshakeError>;

    /// The answer to an extended CONNECT of HTTP/2 (RFC 8441), which is fields and not text;
    /// `None` where the request is none.
    fn respond_on_stream(&mut self, _accept: &Accept) -> Option<StreamAnswer> {
        None
    }
}

/// What accepts an extended CONNECT.
#[derive(Debug)]
pub struct StreamAnswer {
    /// The fields that go with status 200.
    pub fields: Fields,
    /// The codec that begins behind them.
    pub codec: Box<dyn Codec>,
}

/// Turns bytes into events and events into bytes. It never replies, waits or reads a clock; what
/// is the same in every protocol is the [`Session`](crate::Session)'s.
///
/// A codec must have `decode`, `encode` and `capabilities`; the rest has defaults.
pub trait Codec: Any + fmt::Debug + Send {
    /// Takes the next event off `src`; `None` where more bytes are needed. Payload is handed
    /// out as it comes, so a frame larger than the buffer arrives in pieces.
    ///
    /// # Errors
    ///
    /// A breach of the protocol. The codec is of no use after that.
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, ProtocolError>;

    /// Appends an event to `dst`. The pieces of a message must not be mixed with another's;
    /// control events may stand between them.
    ///
    /// # Errors
    ///
    /// The protocol cannot express the event; nothing was appended then.
    fn encode(&mut self, event: Event, dst: &mut WriteBuf) -> Result<(), EncodeError>;

    /// An optional fast path: the layout of short messages that are taken off without asking the
    /// codec, one behind the other, until something looks different and
    /// [`decode`](Self::decode) is called. A codec that answers promises that its state is the same
    /// before such a message and after it, whatever is in it.
    fn reads(&self) -> Option<ShortFrames> {
        None
    }

    /// How whole short messages can be written without asking the codec; fixed once the handshake
    /// is complete. A codec that answers promises that its state is the same before such a message
    /// and after it, between any two messages that it writes itself.
    fn writes(&self) -> Option<ShortFrames> {
        None
    }

    /// The key of a message that is written so, where it is masked: fresh and unpredictable (RFC
    /// 6455 §5.3).
    fn masking_key(&mut self) -> [u8; 4] {
        [0; 4]
    }

    /// How many bytes of payload the frame of data whose header was read last will still bring: as
    /// they come, so before they are inflated. `None` where the protocol does not say.
    fn announced(&self) -> Option<u64> {
        None
    }

    /// How many bytes of memory it holds for this connection, beside itself; `None` where it never
    /// holds any, which is fixed once the handshake is complete.
    fn held(&self) -> Option<usize> {
        None
    }

    /// The extension that is in use (RFC 6455 §9), by its name and without parameters, for whoever wants to
    /// know; fixed once the handshake is complete.
    fn extension(&self) -> Option<&'static str> {
        None
    }

    /// What can be sent; fixed once the handshake is complete.
    fn capabilities(&self) -> Capabilities;

    /// The form in which whole messages of a kind are written between two others. `None` where
    /// their bytes are this connection's own, such as masked ones, or the kind cannot be sent.
    fn wire_form(&self, _: Kind) -> Option<WireForm> {
        None
    }
}

/// Which end of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We accepted.
    Server,
    /// We dialled.
    Client,
}
