//! Encoding of events into frames.

use bytes::Bytes;

use super::frame::{Header, MAX_HEADER};
use super::mask::Mask;
use super::{CloseBody, FirstBit, HybiCodec};
use crate::error::EncodeError;
use crate::message::{Close, Event, Kind, Piece};
use crate::protocol::{Masking, Role};
use crate::write_buf::{CHAIN, WriteBuf};

impl HybiCodec {
    #[inline]
    pub(super) fn write_event(
        &mut self,
        event: Event,
        dst: &mut WriteBuf,
    ) -> Result<(), EncodeError> {
        let opcodes = self.dialect.opcodes;
        match event {
            Event::Data(piece) => self.write_piece(piece, dst),
            Event::Ping(payload) | Event::Pong(payload)
                if payload.len() as u64 > opcodes.max_control =>
            {
                return Err(EncodeError::ControlTooLong(payload.len()));
            }
            Event::Ping(payload) => self.write(opcodes.ping, true, &payload, dst),
            Event::Pong(payload) => self.write(opcodes.pong, true, &payload, dst),
            Event::Close(close) => {
                let body = self.close_body(close);
                self.write(opcodes.close, true, &body, dst);
            }
        }
        Ok(())
    }

    fn write_piece(&mut self, piece: Piece, dst: &mut WriteBuf) {
        let compresses = self.deflate.is_some();
        if compresses && self.write_deflated(piece.kind, &piece.payload, piece.end, dst) {
            return;
        }
        if piece.payload.len() < CHAIN {
            if piece.end {
                self.write_last(piece.kind, &piece.payload, dst);
            } else if !piece.payload.is_empty() {
                // An empty piece that does not end a message needs no frame.
                let opcode = self.data_opcode(piece.kind, false);
                self.write(opcode, false, &piece.payload, dst);
            }
            return;
        }
        let opcode = self.data_opcode(piece.kind, piece.end);
        match self.write_header(opcode, 0, piece.end, piece.payload.len(), dst) {
            Mask::None => dst.put(piece.payload),
            mut mask => mask.apply(dst.put_mut(&piece.payload)),
        }
    }

    /// Writes a whole message, or the end of one that has begun, by copying the payload.
    #[inline]
    pub(super) fn write_last(&mut self, kind: Kind, payload: &[u8], dst: &mut WriteBuf) {
        let opcode = self.data_opcode(kind, true);
        self.write(opcode, true, payload, dst);
    }

    /// Returns the opcode of the next frame of a message.
    #[inline]
    pub(super) fn data_opcode(&mut self, kind: Kind, last: bool) -> u8 {
        let opcodes = &self.dialect.opcodes;
        match (std::mem::replace(&mut self.sending, !last), kind) {
            (true, _) => 0,
            (false, Kind::Text) => opcodes.text,
            (false, Kind::Binary) => opcodes.binary,
        }
    }

    fn close_body(&mut self, close: Option<Close>) -> Bytes {
        let echo = self.take_echo();
        match (self.dialect.close, close) {
            (CloseBody::Free, _) => echo.into(),
            (CloseBody::Letter, _) if self.role == Role::Server => Bytes::from_static(b"S"),
            (CloseBody::Letter, _) => Bytes::from_static(b"C"),
            // RFC 6455 §5.5.1: the answer repeats the code of the close, as this version numbers
            // it.
            (CloseBody::Code { .. }, Some(close)) if !echo.is_empty() => {
                [&*echo, close.reason.as_bytes()].concat().into()
            }
            (CloseBody::Code { .. }, None) => Bytes::new(),
            (CloseBody::Code { .. }, Some(close)) => {
                let code = self.dialect.outgoing(close.code).to_be_bytes();
                let close = Close::new(close.code, close.reason);
                [&code[..], close.reason.as_bytes()].concat().into()
            }
        }
    }

    /// Writes a frame by copying its payload.
    fn write(&mut self, opcode: u8, last: bool, payload: &[u8], dst: &mut WriteBuf) {
        match self.write_header(opcode, 0, last, payload.len(), dst) {
            Mask::None => dst.put_slice(payload),
            mut mask => mask.apply(dst.put_mut(payload)),
        }
    }

    /// Returns a fresh, unpredictable key, as RFC 6455 §5.3 requires for each frame.
    pub(super) fn fresh_key(&self) -> [u8; 4] {
        let mut key = [0; 4];
        (self.entropy)(&mut key);
        key
    }

    /// Writes the header of a frame and its masking key; returns the mask for the payload.
    pub(super) fn write_header(
        &mut self,
        opcode: u8,
        reserved: u8,
        last: bool,
        len: usize,
        dst: &mut WriteBuf,
    ) -> Mask {
        let masking = self.outgoing;
        let header = Header {
            first_bit: (self.dialect.first_bit == FirstBit::Fin) == last,
            reserved,
            opcode,
            top_bit: masking == Masking::Payload,
            len: len as u64,
        };
        let mut bytes = [0; MAX_HEADER];
        let taken = header.write(&mut bytes);
        let header = bytes.get_mut(..taken).unwrap_or_default();
        if masking == Masking::None {
            dst.put_slice(header);
            return Mask::None;
        }
        let key = self.fresh_key();
        let mut mask = self.frame_mask(key);
        if masking == Masking::Payload {
            dst.put_slice(header);
            dst.put_slice(&key);
        } else {
            mask.apply(header);
            dst.put_slice(&key);
            dst.put_slice(header);
        }
        mask
    }
}
