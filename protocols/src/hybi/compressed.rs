//! Reading and writing of frames with compressed payloads.

use bytes::BytesMut;

use super::frame::Header;
use super::mask::Mask;
use super::{Content, Frame, HybiCodec};
use crate::error::ProtocolError;
use crate::extension::{Deflated, Inflated};
use crate::message::{Kind, Piece};
use crate::write_buf::WriteBuf;

impl HybiCodec {
    /// True if the negotiated extension gives the reserved bits of a frame a meaning. In a control
    /// frame they have none (RFC 7692 §6.1).
    pub(super) fn allows_reserved(&self, header: &Header) -> bool {
        let opcodes = self.dialect.opcodes;
        let first = [opcodes.text, opcodes.binary].contains(&header.opcode);
        let deflate = self.deflate.as_ref();
        (first || header.opcode == 0)
            && deflate.is_some_and(|deflate| deflate.allows(header.reserved, first))
    }

    /// True if a frame is compressed; `before` says whether the message's previous frame was.
    pub(super) fn is_compressed(&self, header: &Header, before: bool) -> bool {
        let deflate = self.deflate.as_ref();
        deflate.is_some_and(|deflate| deflate.is_compressed(header.reserved, before))
    }

    /// Takes the next piece out of a compressed frame; `None` if the available bytes yield no data.
    pub(super) fn inflate(
        &mut self,
        mut frame: Frame,
        src: &mut BytesMut,
    ) -> Result<Option<Piece>, ProtocolError> {
        let (Content::Data { kind, last, .. }, Some(deflate)) = (frame.content, &mut self.deflate)
        else {
            return Ok(None);
        };
        if deflate.needs_input() {
            let left = usize::try_from(frame.left).unwrap_or(usize::MAX);
            let mut payload = src.split_to(left.min(src.len()));
            frame.left = frame.left.saturating_sub(payload.len() as u64);
            frame.mask.apply(&mut payload);
            deflate.feed(payload.freeze());
        }
        let is_read = frame.left == 0;
        let Inflated { payload, more } = deflate.inflate(is_read, is_read && last)?;
        let end = is_read && last && !more;
        if more || !is_read {
            self.frame = Some(frame);
        }
        let says_nothing = payload.is_empty() && !end;
        Ok((!says_nothing).then_some(Piece { kind, payload, end }))
    }

    /// Writes a compressed piece; returns `false` if the caller must write it uncompressed.
    #[inline(never)]
    pub(super) fn write_deflated(
        &mut self,
        kind: Kind,
        payload: &[u8],
        last: bool,
        dst: &mut WriteBuf,
    ) -> bool {
        // An empty piece in the middle needs no frame.
        let says_nothing = payload.is_empty() && !last;
        let deflate = self.deflate.as_mut().filter(|_| !says_nothing);
        let first = !self.sending;
        let Some(deflated) = deflate.and_then(|deflate| deflate.deflate(payload, first, last))
        else {
            return false;
        };
        let Deflated { payload, reserved } = deflated;
        let opcode = self.data_opcode(kind, last);
        match self.write_header(opcode, reserved, last, payload.len(), dst) {
            Mask::None => dst.put(payload),
            mut mask => mask.apply(dst.put_mut(&payload)),
        }
        true
    }
}
