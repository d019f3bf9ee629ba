//! What nearly every frame is: a whole message, all there. It takes a fraction of the cost of the
//! way through a [`Header`](super::frame::Header), which has all the rules; what does not fit goes
//! there.

use super::{FirstBit, HybiCodec};
use crate::protocol::Masking;
use crate::protocol::short_frames::{MAX_SHORT, ShortFrames};

impl HybiCodec {
    /// What the frame of a short message looks like if it comes next; `None` where another is
    /// unfinished, not every short one is allowed, or the framing is not as in hybi-07 and later.
    #[inline]
    pub(super) fn short_incoming(&self) -> Option<ShortFrames> {
        let is_between = self.frame.is_none() && self.receiving.is_none();
        let masked = match self.incoming {
            Masking::Payload => true,
            Masking::None => false,
            Masking::Frame => return None,
        };
        let is_plain = self.dialect.first_bit == FirstBit::Fin;
        let is_allowed = self.max_frame >= MAX_SHORT as u64;
        (is_between && is_plain && is_allowed).then_some(ShortFrames::Counted {
            text: 0x80 | self.dialect.opcodes.text,
            binary: 0x80 | self.dialect.opcodes.binary,
            masked,
        })
    }

    /// What the frame of a short message looks like if it is the next that goes out; `None` where it
    /// may be compressed, or the framing is not as in hybi-07 and later. A message that is sent in
    /// pieces is not asked for: none may stand between them.
    pub(super) fn short_outgoing(&self) -> Option<ShortFrames> {
        let masked = match self.outgoing {
            Masking::Payload => true,
            Masking::None => false,
            Masking::Frame => return None,
        };
        let is_plain = self.deflate.is_none() && self.dialect.first_bit == FirstBit::Fin;
        is_plain.then_some(ShortFrames::Counted {
            text: 0x80 | self.dialect.opcodes.text,
            binary: 0x80 | self.dialect.opcodes.binary,
            masked,
        })
    }
}
