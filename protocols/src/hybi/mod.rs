//! The framing of the HyBi drafts and RFC 6455: one codec, told by a [`Dialect`] what differs.

mod dialect;
mod frame;
mod handshake;
mod keyed;
mod mask;

use bytes::{Buf, Bytes, BytesMut};
use bytestring::ByteString;

pub(crate) use self::dialect::Dialect;
pub(crate) use self::dialect::{
    Announced, CloseBody, FINAL, FirstBit, HYBI01, HYBI02, HYBI03, HYBI04, HYBI05, HYBI06, HYBI07,
    HYBI10, Masking, ORIGIN,
};
pub(crate) use self::handshake::Hybi;

use self::dialect::Opcodes;
use self::frame::{Header, MAX_HEADER};
use self::mask::Mask;
use crate::error::{EncodeError, ProtocolError};
use crate::message::{Close, Event, Kind, Piece};
use crate::protocol::{Capabilities, Codec, Context, Limits, Role};
use crate::write_buf::WriteBuf;

/// Reads and writes frames.
#[derive(Debug)]
pub(crate) struct HybiCodec {
    dialect: &'static Dialect,
    role: Role,
    limits: Limits,
    entropy: fn(&mut [u8]),
    /// The connection's masking key in draft 04.
    masking_key: Option<Box<[u8; 20]>>,
    /// The frame whose payload is being read.
    frame: Option<Frame>,
    /// The kind of the message that is being read, and how many frames it has had.
    receiving: Option<(Kind, u32)>,
    /// Whether a message is being written: its next piece is a continuation.
    sending: bool,
    /// The body of the peer's close frame, where it is to be echoed.
    echo: Bytes,
}

/// The frame whose payload is being read. Control frames are read whole.
#[derive(Clone, Copy, Debug)]
struct Frame {
    kind: Kind,
    left: u64,
    last: bool,
    mask: Option<Mask>,
}

impl HybiCodec {
    pub(crate) fn new(dialect: &'static Dialect, role: Role, context: &Context) -> Self {
        Self {
            dialect,
            role,
            limits: context.limits,
            entropy: context.entropy,
            masking_key: None,
            frame: None,
            receiving: None,
            sending: false,
            echo: Bytes::new(),
        }
    }

    pub(crate) fn with_masking_key(self, masking_key: [u8; 20]) -> Self {
        Self {
            masking_key: Some(Box::new(masking_key)),
            ..self
        }
    }

    /// What the peer masks.
    fn incoming_masking(&self) -> Masking {
        if self.role == Role::Server {
            self.dialect.masking
        } else {
            Masking::None
        }
    }

    /// What we mask.
    fn outgoing_masking(&self) -> Masking {
        if self.role == Role::Client {
            self.dialect.masking
        } else {
            Masking::None
        }
    }

    fn frame_mask(&self, key: [u8; 4]) -> Mask {
        match &self.masking_key {
            Some(masking_key) => Mask::of_frame(key, masking_key),
            None => Mask::Four(key),
        }
    }

    /// Reads a header, its mask and, of a control frame, the payload; leaves `src` untouched
    /// while bytes are missing.
    fn begin(&mut self, src: &mut BytesMut) -> Result<Option<Begun>, ProtocolError> {
        let masking = self.incoming_masking();
        let (header, len, mask) = match masking {
            Masking::None | Masking::Payload => {
                let Some((header, len)) = Header::parse(src) else {
                    return Ok(None);
                };
                self.check(&header)?;
                let key = src.get(len..).and_then(<[u8]>::first_chunk::<4>);
                match (masking, key) {
                    (Masking::None, _) => (header, len, None),
                    (_, None) => return Ok(None),
                    (_, Some(key)) => (header, len.saturating_add(4), Some(Mask::Four(*key))),
                }
            }
            Masking::Frame | Masking::DerivedFrame => {
                let Some((key, rest)) = src.split_first_chunk::<4>() else {
                    return Ok(None);
                };
                // The header is masked too: look at it in a copy.
                let mut copy = [0; MAX_HEADER];
                let seen = rest.len().min(MAX_HEADER);
                let copy = copy.get_mut(..seen).unwrap_or_default();
                copy.copy_from_slice(rest.get(..seen).unwrap_or_default());
                let begin = self.frame_mask(*key);
                { begin }.apply(copy);
                let Some((header, len)) = Header::parse(copy) else {
                    return Ok(None);
                };
                self.check(&header)?;
                let mut mask = begin;
                mask.apply(copy.get_mut(..len).unwrap_or_default());
                (header, len.saturating_add(4), Some(mask))
            }
        };
        if !self.is_control(header.opcode) {
            let (kind, last) = self.data_frame(&header)?;
            src.advance(len);
            return Ok(Some(Begun::Data(Frame {
                kind,
                left: header.len,
                last,
                mask,
            })));
        }
        let payload = usize::try_from(header.len).unwrap_or(usize::MAX);
        if src.len() < len.saturating_add(payload) {
            return Ok(None);
        }
        src.advance(len);
        let mut payload = src.split_to(payload);
        if let Some(mut mask) = mask {
            mask.apply(&mut payload);
        }
        Ok(Some(Begun::Control(header.opcode, payload.freeze())))
    }

    /// The rules that need no more than the header (RFC 6455 §5.2 and §5.5).
    fn check(&self, header: &Header) -> Result<(), ProtocolError> {
        let opcodes = self.dialect.opcodes;
        let masked = self.dialect.masking == Masking::Payload && self.role == Role::Server;
        if header.reserved != 0 {
            return Err(ProtocolError::ReservedBit);
        }
        match (masked, header.top_bit) {
            // RFC 6455 §5.1: a server MUST close the connection on a frame that is not masked.
            (true, false) => return Err(ProtocolError::Unmasked),
            (false, true) if self.dialect.masking == Masking::Payload => {
                return Err(ProtocolError::Masked);
            }
            // The fourth reserved bit of the drafts before 07.
            (false, true) => return Err(ProtocolError::ReservedBit),
            _ => {}
        }
        // RFC 6455 §5.2: the most significant bit MUST be 0. The shortest form is not insisted
        // on: Firefox 6 sends 65535 bytes with a length of 64 bits.
        if header.len >> 63 != 0 {
            return Err(ProtocolError::Length);
        }
        if self.is_control(header.opcode) {
            if header.len > opcodes.max_control {
                return Err(ProtocolError::ControlTooLong(header.len));
            }
            if !self.is_last(header) {
                return Err(ProtocolError::FragmentedControl);
            }
        } else if header.len > self.limits.frame {
            let (len, limit) = (header.len, self.limits.frame);
            return Err(ProtocolError::FrameTooLong { len, limit });
        }
        Ok(())
    }

    /// The rules of fragmentation (RFC 6455 §5.4).
    fn data_frame(&mut self, header: &Header) -> Result<(Kind, bool), ProtocolError> {
        let opcodes = self.dialect.opcodes;
        let opened = match header.opcode {
            0 => None,
            opcode if opcode == opcodes.text => Some(Kind::Text),
            opcode if opcode == opcodes.binary => Some(Kind::Binary),
            opcode => return Err(ProtocolError::Opcode(opcode)),
        };
        let (kind, frames) = match (opened, self.receiving) {
            (Some(kind), None) => (kind, 1),
            (None, Some((kind, frames))) => (kind, frames.saturating_add(1)),
            (None, None) => return Err(ProtocolError::Continuation),
            (Some(_), Some(_)) => return Err(ProtocolError::Interrupted),
        };
        let limit = self.limits.fragments;
        if frames > limit {
            return Err(ProtocolError::TooManyFragments { limit });
        }
        let last = self.is_last(header);
        self.receiving = (!last).then_some((kind, frames));
        Ok((kind, last))
    }

    /// The payload that is there of the frame being read.
    fn payload(&mut self, mut frame: Frame, src: &mut BytesMut) -> Option<Event> {
        if frame.left > 0 && src.is_empty() {
            self.frame = Some(frame);
            return None;
        }
        let taken = usize::try_from(frame.left).map_or(src.len(), |left| left.min(src.len()));
        let mut payload = src.split_to(taken);
        if let Some(mask) = &mut frame.mask {
            mask.apply(&mut payload);
        }
        frame.left = frame.left.saturating_sub(taken as u64);
        self.frame = (frame.left > 0).then_some(frame);
        let end = frame.last && frame.left == 0;
        Some(Event::Data(Piece {
            kind: frame.kind,
            payload: payload.freeze(),
            end,
        }))
    }

    fn control(&mut self, opcode: u8, payload: Bytes) -> Result<Event, ProtocolError> {
        let opcodes = self.dialect.opcodes;
        if opcode == opcodes.ping {
            return Ok(Event::Ping(payload));
        }
        if opcode == opcodes.pong {
            return Ok(Event::Pong(payload));
        }
        let CloseBody::Code { strict } = self.dialect.close else {
            if self.dialect.close == CloseBody::Free {
                self.echo = payload;
            }
            return Ok(Event::Close(None));
        };
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            let half = self.dialect.refuses_half_a_code() && !payload.is_empty();
            return if half {
                Err(ProtocolError::CloseLength)
            } else {
                Ok(Event::Close(None))
            };
        };
        let code = u16::from_be_bytes(*code);
        let code = self
            .dialect
            .incoming(code)
            .ok_or(ProtocolError::CloseCode(code))?;
        let reason = match ByteString::try_from(payload.slice_ref(reason)) {
            Ok(reason) => reason,
            Err(_) if strict => return Err(ProtocolError::Utf8),
            Err(_) => ByteString::new(),
        };
        Ok(Event::Close(Some(Close { code, reason })))
    }

    fn close_body(&mut self, close: Option<Close>) -> Bytes {
        match (self.dialect.close, close) {
            (CloseBody::Free, _) => std::mem::take(&mut self.echo),
            (CloseBody::Letter, _) if self.role == Role::Server => Bytes::from_static(b"S"),
            (CloseBody::Letter, _) => Bytes::from_static(b"C"),
            (CloseBody::Code { .. }, None) => Bytes::new(),
            (CloseBody::Code { .. }, Some(close)) => {
                let code = self.dialect.outgoing(close.code).to_be_bytes();
                let close = Close::new(close.code, close.reason);
                [&code[..], close.reason.as_bytes()].concat().into()
            }
        }
    }

    fn write(&mut self, opcode: u8, last: bool, payload: Bytes, dst: &mut WriteBuf) {
        let masking = self.outgoing_masking();
        let first_bit = (self.dialect.first_bit == FirstBit::Fin) == last;
        let top_bit = masking == Masking::Payload;
        let len = payload.len() as u64;
        let header = Header {
            first_bit,
            reserved: 0,
            opcode,
            top_bit,
            len,
        };
        let mut bytes = [0; MAX_HEADER];
        let taken = header.write(&mut bytes);
        let header = bytes.get_mut(..taken).unwrap_or_default();
        if masking == Masking::None {
            dst.put_slice(header);
            dst.put(payload);
            return;
        }
        // RFC 6455 §5.3: a fresh, unpredictable key for each frame.
        let mut key = [0; 4];
        (self.entropy)(&mut key);
        let mut mask = self.frame_mask(key);
        if masking == Masking::Payload {
            dst.put_slice(header);
            dst.put_slice(&key);
        } else {
            mask.apply(header);
            dst.put_slice(&key);
            dst.put_slice(header);
        }
        mask.apply(dst.put_mut(&payload));
    }

    fn is_control(&self, opcode: u8) -> bool {
        let Opcodes {
            close, ping, pong, ..
        } = self.dialect.opcodes;
        [*close, *ping, *pong].contains(&opcode)
    }

    fn is_last(&self, header: &Header) -> bool {
        (self.dialect.first_bit == FirstBit::Fin) == header.first_bit
    }
}

/// What stands at the beginning of the buffer.
enum Begun {
    Data(Frame),
    Control(u8, Bytes),
}

impl Codec for HybiCodec {
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        loop {
            let frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.begin(src)? {
                    None => return Ok(None),
                    Some(Begun::Control(opcode, payload)) => {
                        return self.control(opcode, payload).map(Some);
                    }
                    Some(Begun::Data(frame)) => frame,
                },
            };
            // An empty fragment in the middle of a message says nothing.
            if frame.left > 0 || frame.last {
                return Ok(self.payload(frame, src));
            }
        }
    }

    fn encode(&mut self, event: Event, dst: &mut WriteBuf) -> Result<(), EncodeError> {
        let opcodes = self.dialect.opcodes;
        match event {
            Event::Data(piece) => {
                // An empty piece in the middle needs no frame.
                if piece.payload.is_empty() && !piece.end {
                    return Ok(());
                }
                let opcode = match (self.sending, piece.kind) {
                    (true, _) => 0,
                    (false, Kind::Text) => opcodes.text,
                    (false, Kind::Binary) => opcodes.binary,
                };
                self.sending = !piece.end;
                self.write(opcode, piece.end, piece.payload, dst);
            }
            Event::Ping(payload) | Event::Pong(payload)
                if payload.len() as u64 > opcodes.max_control =>
            {
                return Err(EncodeError::ControlTooLong(payload.len()));
            }
            Event::Ping(payload) => self.write(opcodes.ping, true, payload, dst),
            Event::Pong(payload) => self.write(opcodes.pong, true, payload, dst),
            Event::Close(close) => {
                let body = self.close_body(close);
                self.write(opcodes.close, true, body, dst);
            }
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        self.dialect.capabilities()
    }
}
