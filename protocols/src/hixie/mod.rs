//! The framing of hixie-75 and hixie-76: text between `00` and `FF`.
//!
//! ```text
//!   00 <UTF-8 text> FF        a text message
//!   01..7F <bytes> FF         an unknown type: discarded
//!   80..FE <length> <bytes>   an unknown type: discarded (Kaazing's clients: 80 is binary)
//!   FF 00                     the closing handshake (Hixie-76 only)
//! ```

mod handshake;
mod hixie75;
mod hixie76;
pub(crate) mod keyed;
mod keys;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

pub(crate) use self::handshake::Wording;
pub(crate) use self::hixie75::Hixie75;
pub(crate) use self::hixie76::Hixie76;

use crate::error::{EncodeError, ProtocolError};
use crate::message::{Event, Kind, Piece, WireForm};
use crate::protocol::short_frames::ShortFrames;
use crate::protocol::{Capabilities, CloseForm, Codec, Limits};
use crate::write_buf::WriteBuf;

/// The most bytes of a length. Ten hold any `u64`; without a bound, a run of `80` would be read
/// indefinitely (CVE-2026-54463).
const MAX_LENGTH_BYTES: u8 = 10;

/// The properties in which the two protocols differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HixieDialect {
    /// The protocol's name.
    pub(crate) name: &'static str,
    /// The form in which a connection ends: only hixie-76 has the closing handshake `FF 00`.
    pub(crate) close: CloseForm,
    /// True if `80` frames carry binary messages, as Kaazing's clients request.
    pub(crate) length_frames: bool,
}

/// The codec for `00 … FF`.
#[derive(Debug)]
pub(crate) struct HixieCodec {
    dialect: HixieDialect,
    limits: Limits,
    state: State,
    /// Bytes of discarded frames so far, including their headers.
    discarded: u64,
    /// The last piece of an unfinished text, held until it can be sent with the next bytes: the
    /// parser of autobahn 0.10.9 never ends a message whose `FF` is the first byte of a read.
    held: Option<Bytes>,
    /// The payload of an unfinished binary message: its length must be known before it is sent.
    binary: BytesMut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a frame.
    Type,
    /// In a text message.
    Text,
    /// In a discarded frame that ends with `FF`.
    Sentinel,
    /// In the length of a frame of type `kind`.
    Length { kind: u8, value: u64, bytes: u8 },
    /// In a discarded frame with a length.
    Skip { left: u64 },
    /// In a binary message of a Kaazing client.
    Binary { left: u64 },
    /// After the closing handshake: all further data is ignored.
    Closed,
}

impl HixieCodec {
    pub(crate) fn new(dialect: HixieDialect, limits: Limits) -> Self {
        Self {
            dialect,
            limits,
            state: State::Type,
            discarded: 0,
            held: None,
            binary: BytesMut::new(),
        }
    }

    /// Enters a frame after its type byte; each later state consumes what it needs.
    fn enter(&mut self, kind: u8) -> Result<(), ProtocolError> {
        self.state = match kind {
            0x00 => State::Text,
            0x01..=0x7f => {
                self.discard(1)?;
                State::Sentinel
            }
            0x80..=0xff => State::Length {
                kind,
                value: 0,
                bytes: 0,
            },
        };
        Ok(())
    }

    fn text(&mut self, src: &mut BytesMut) -> Option<Event> {
        let (payload, end) = match memchr(0xff, src) {
            Some(at) => {
                let payload = src.split_to(at).freeze();
                src.advance(1);
                self.state = State::Type;
                (payload, true)
            }
            None if src.is_empty() => return None,
            None => (src.split().freeze(), false),
        };
        Some(Event::Data(Piece {
            kind: Kind::Text,
            payload,
            end,
        }))
    }

    fn sentinel(&mut self, src: &mut BytesMut) -> Result<(), ProtocolError> {
        let found = memchr(0xff, src);
        let len = found.map_or(src.len(), |at| at.saturating_add(1));
        self.discard(len as u64)?;
        src.advance(len);
        if found.is_some() {
            self.state = State::Type;
        }
        Ok(())
    }

    /// Reads a byte of a length. draft-hixie-76, "Data framing": seven bits per byte, the most
    /// significant first, the top bit set in all but the last.
    fn length(
        &mut self,
        byte: u8,
        kind: u8,
        value: u64,
        bytes: u8,
    ) -> Result<Option<Event>, ProtocolError> {
        let bytes = bytes.saturating_add(1);
        // Checked before the next shift: nothing can overflow (CVE-2026-54466).
        let limit = self.limits.frame.min(u64::MAX >> 8);
        let value = value << 7 | u64::from(byte & 0x7f);
        if value > limit || bytes > MAX_LENGTH_BYTES {
            return Err(ProtocolError::FrameTooLong { len: value, limit });
        }
        if byte & 0x80 != 0 {
            self.state = State::Length { kind, value, bytes };
            return Ok(None);
        }
        self.state = State::Type;
        match (kind, value) {
            (0xff, 0) if self.dialect.close == CloseForm::Bare => {
                self.state = State::Closed;
                return Ok(Some(Event::Close(None)));
            }
            (0x80, left) if self.dialect.length_frames => self.state = State::Binary { left },
            (_, left) => {
                let header = u64::from(bytes).saturating_add(1);
                self.discard(left.saturating_add(header))?;
                if left > 0 {
                    self.state = State::Skip { left };
                }
            }
        }
        Ok(None)
    }

    fn binary(&mut self, src: &mut BytesMut, left: u64) -> Option<Event> {
        if left > 0 && src.is_empty() {
            return None;
        }
        let taken = usize::try_from(left).map_or(src.len(), |left| left.min(src.len()));
        let payload = src.split_to(taken).freeze();
        let left = left.saturating_sub(taken as u64);
        let end = left == 0;
        self.state = if end {
            State::Type
        } else {
            State::Binary { left }
        };
        Some(Event::Data(Piece {
            kind: Kind::Binary,
            payload,
            end,
        }))
    }

    fn discard(&mut self, len: u64) -> Result<(), ProtocolError> {
        self.discarded = self.discarded.saturating_add(len);
        let limit = self.limits.discarded;
        if self.discarded > limit {
            Err(ProtocolError::TooMuchDiscarded { limit })
        } else {
            Ok(())
        }
    }

    fn encode_text(&mut self, piece: Piece, dst: &mut WriteBuf) {
        match self.held.take() {
            Some(held) => dst.put(held),
            None => dst.put_u8(0x00),
        }
        if piece.end {
            dst.put(piece.payload);
            dst.put_u8(0xff);
        } else {
            self.held = Some(piece.payload);
        }
    }

    fn encode_binary(&mut self, piece: Piece, dst: &mut WriteBuf) {
        let payload = if self.binary.is_empty() && piece.end {
            piece.payload
        } else {
            self.binary.extend_from_slice(&piece.payload);
            if !piece.end {
                return;
            }
            self.binary.split().freeze()
        };
        dst.put_u8(0x80);
        let len = payload.len() as u64;
        for shift in (0..MAX_LENGTH_BYTES)
            .rev()
            .map(|group| u32::from(group).wrapping_mul(7))
        {
            let rest = len >> shift;
            if rest > 0 || shift == 0 {
                let [.., bits] = rest.to_be_bytes();
                dst.put_u8(if shift == 0 { bits & 0x7f } else { bits | 0x80 });
            }
        }
        dst.put(payload);
    }
}

impl Codec for HixieCodec {
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        loop {
            match self.state {
                State::Text => return Ok(self.text(src)),
                State::Binary { left } => return Ok(self.binary(src, left)),
                State::Closed => {
                    src.clear();
                    return Ok(None);
                }
                State::Type | State::Sentinel | State::Length { .. } | State::Skip { .. }
                    if src.is_empty() =>
                {
                    return Ok(None);
                }
                State::Type => {
                    let kind = src.get_u8();
                    self.enter(kind)?;
                }
                State::Sentinel => self.sentinel(src)?,
                State::Length { kind, value, bytes } => {
                    let byte = src.get_u8();
                    if let Some(close) = self.length(byte, kind, value, bytes)? {
                        return Ok(Some(close));
                    }
                }
                State::Skip { left } => {
                    let step = usize::try_from(left).map_or(src.len(), |left| left.min(src.len()));
                    src.advance(step);
                    let left = left.saturating_sub(step as u64);
                    self.state = if left == 0 {
                        State::Type
                    } else {
                        State::Skip { left }
                    };
                }
            }
        }
    }

    fn encode(&mut self, event: Event, dst: &mut WriteBuf) -> Result<(), EncodeError> {
        let unsupported = |event| {
            Err(EncodeError::Unsupported {
                event,
                protocol: self.dialect.name,
            })
        };
        match event {
            Event::Data(piece) if piece.kind == Kind::Text => self.encode_text(piece, dst),
            Event::Data(_) if !self.dialect.length_frames => {
                return unsupported("a binary message");
            }
            Event::Data(piece) => self.encode_binary(piece, dst),
            Event::Ping(_) => return unsupported("a ping"),
            Event::Pong(_) => return unsupported("a pong"),
            // draft-hixie-76, "Data framing": a text is complete once its `FF` is read, so no `FF`
            // may be sent for an unfinished one.
            Event::Close(_) if self.held.is_some() => return Err(EncodeError::Unfinished),
            Event::Close(_) => {
                if self.dialect.close == CloseForm::Bare {
                    dst.put_slice(&[0xff, 0x00]);
                }
            }
        }
        Ok(())
    }

    fn reads(&self) -> Option<ShortFrames> {
        (self.state == State::Type).then_some(ShortFrames::Delimited)
    }

    fn writes(&self) -> Option<ShortFrames> {
        Some(ShortFrames::Delimited)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            binary: self.dialect.length_frames,
            ping: false,
            close: self.dialect.close,
        }
    }

    fn wire_form(&self, kind: Kind) -> Option<WireForm> {
        let carried = kind == Kind::Text || self.dialect.length_frames;
        carried.then_some(WireForm::new("hixie-75"))
    }
}
