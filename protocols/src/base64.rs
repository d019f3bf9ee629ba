//! Binary messages as base64 text, for protocols and clients without binary messages.
//!
//! The convention of websockify and noVNC: a client offers the subprotocol `base64`, and every
//! message in either direction is its bytes in standard base64 with padding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use crate::error::{EncodeError, ProtocolError};
use crate::message::{Event, Kind, Piece, WireForm};
use crate::protocol::{Accept, BinaryOverText, Capabilities, Codec};
use crate::write_buf::WriteBuf;

/// The name of the subprotocol.
const SUBPROTOCOL: &str = "base64";

/// A codec that carries binary messages as base64 text of another. Pieces are encoded singly: the
/// remainder of a group (four characters or three bytes) is kept until the next piece.
#[derive(Debug)]
pub(crate) struct Base64<C> {
    inner: C,
    /// True if received text is decoded.
    decodes: bool,
    /// Up to three characters of an incomplete group.
    incoming: BytesMut,
    /// True if the message had its padding, after which nothing may follow.
    padded: bool,
    /// Up to two bytes of an incomplete group.
    outgoing: BytesMut,
}

/// Returns the codec for an accepted connection: wrapped if the subprotocol, or the policy for a
/// protocol without binary messages, requires base64.
pub(crate) fn accepted<C: Codec + 'static>(codec: C, accept: &Accept) -> Box<dyn Codec> {
    let negotiated = is_subprotocol(accept.subprotocol.as_deref());
    let policy = accept.binary_over_text == BinaryOverText::Base64;
    if negotiated || (policy && !codec.capabilities().binary) {
        Base64::wrap(codec, negotiated)
    } else {
        Box::new(codec)
    }
}

/// Returns the codec for a dialled connection.
pub(crate) fn dialled<C: Codec + 'static>(codec: C, subprotocol: Option<&str>) -> Box<dyn Codec> {
    if is_subprotocol(subprotocol) {
        Base64::wrap(codec, true)
    } else {
        Box::new(codec)
    }
}

fn is_subprotocol(name: Option<&str>) -> bool {
    name == Some(SUBPROTOCOL)
}

impl<C: Codec + 'static> Base64<C> {
    pub(crate) fn wrap(inner: C, decodes: bool) -> Box<dyn Codec> {
        Box::new(Self {
            inner,
            decodes,
            incoming: BytesMut::new(),
            padded: false,
            outgoing: BytesMut::new(),
        })
    }
}

impl<C> Base64<C> {
    fn decode_piece(&mut self, piece: &Piece) -> Result<Piece, ProtocolError> {
        self.incoming.extend_from_slice(&piece.payload);
        let whole = match self.incoming.len() {
            len if piece.end => len,
            len => len.saturating_sub(len % 4),
        };
        let groups = self.incoming.split_to(whole);
        if self.padded && !groups.is_empty() {
            return Err(ProtocolError::Base64);
        }
        self.padded = !piece.end && (self.padded || groups.ends_with(b"="));
        let payload = STANDARD.decode(groups).map_err(|_| ProtocolError::Base64)?;
        Ok(Piece {
            kind: Kind::Binary,
            payload: Bytes::from(payload),
            end: piece.end,
        })
    }

    fn encode_piece(&mut self, piece: &Piece) -> Piece {
        self.outgoing.extend_from_slice(&piece.payload);
        let whole = match self.outgoing.len() {
            len if piece.end => len,
            len => len.saturating_sub(len % 3),
        };
        let payload = STANDARD.encode(self.outgoing.split_to(whole));
        Piece {
            kind: Kind::Text,
            payload: Bytes::from(payload),
            end: piece.end,
        }
    }
}

impl<C: Codec> Codec for Base64<C> {
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        match self.inner.decode(src)? {
            Some(Event::Data(piece)) if self.decodes && piece.kind == Kind::Text => self
                .decode_piece(&piece)
                .map(|piece| Some(Event::Data(piece))),
            other => Ok(other),
        }
    }

    fn encode(&mut self, event: Event, dst: &mut WriteBuf) -> Result<(), EncodeError> {
        match event {
            // If base64 was negotiated, text is encoded too: the peer decodes every message.
            Event::Data(piece) if self.decodes || piece.kind == Kind::Binary => {
                let piece = self.encode_piece(&piece);
                self.inner.encode(Event::Data(piece), dst)
            }
            other => self.inner.encode(other, dst),
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            binary: true,
            ..self.inner.capabilities()
        }
    }

    fn wire_form(&self, kind: Kind) -> Option<WireForm> {
        if self.decodes || kind == Kind::Binary {
            self.inner.wire_form(Kind::Text).map(WireForm::in_base64)
        } else {
            self.inner.wire_form(kind)
        }
    }
}
