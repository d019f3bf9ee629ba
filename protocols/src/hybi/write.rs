//! The way out: events become frames.

use bytes::Bytes;

use super::frame::{Header, MAX_HEADER};
use super::{CloseBody, FirstBit, HybiCodec, Masking};
use crate::error::EncodeError;
use crate::message::{Close, Event, Kind, Piece};
use crate::protocol::Role;
use crate::write_buf::WriteBuf;

impl HybiCodec {
    #[inline]
    pub(super) fn write_event(
        &mut self,
        event: Event,
        dst: &mut WriteBuf,
    ) -> Result<(), EncodeError> {
        let opcodes = self.dialect.opcodes;
        match event {
            Event::Data(piece) if self.is_short_message(&piece) => {
                let opcode = match piece.kind {
                    Kind::Text => opcodes.text,
                    Kind::Binary => opcodes.binary,
                };
                let [.., len] = piece.payload.len().to_be_bytes();
                dst.put_slice(&[0x80 | opcode, len]);
                dst.put_slice(&piece.payload);
            }
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

    /// Whether this is what nearly every message of a server is: whole, short and not masked. It
    /// is written for half the cost of the general way.
    #[inline]
    fn is_short_message(&self, piece: &Piece) -> bool {
        piece.end
            && piece.payload.len() < 126
            && !self.sending
            && self.outgoing == Masking::None
            && self.dialect.first_bit == FirstBit::Fin
    }

    fn close_body(&mut self, close: Option<Close>) -> Bytes {
        match (self.dialect.close, close) {
            (CloseBody::Free, _) => std::mem::take(&mut self.echo),
            (CloseBody::Letter, _) if self.role == Role::Server => Bytes::from_static(b"S"),
            (CloseBody::Letter, _) => Bytes::from_static(b"C"),
            // RFC 6455 §5.5.1: the answer has the code it answers, whatever that is in this version.
            (CloseBody::Code { .. }, Some(_)) if !self.echo.is_empty() => {
                std::mem::take(&mut self.echo)
            }
            (CloseBody::Code { .. }, None) => Bytes::new(),
            (CloseBody::Code { .. }, Some(close)) => {
                let code = self.dialect.outgoing(close.code).to_be_bytes();
                let close = Close::new(close.code, close.reason);
                [&code[..], close.reason.as_bytes()].concat().into()
            }
        }
    }

    fn write(&mut self, opcode: u8, last: bool, payload: Bytes, dst: &mut WriteBuf) {
        let masking = self.outgoing;
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
}
