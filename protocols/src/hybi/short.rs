//! The fast path for the commonest frame, a whole short message that has fully arrived. The path
//! through [`Header`](super::frame::Header) costs many times more; it applies all the rules and
//! handles all other frames.

use super::{FirstBit, HybiCodec};
use crate::protocol::Masking;
use crate::protocol::short_frames::{MAX_SHORT, ShortFrames};

impl HybiCodec {
    /// Returns the frame layout of a short message that comes next; `None` while a frame or message
    /// is unfinished, if the limit on frames is below that of short messages, or if the framing is
    /// not as in hybi-07 and later.
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

    /// Returns the frame layout of the next short message that is sent; `None` if it may be
    /// compressed or the framing is not as in hybi-07 and later. The caller checks that no message
    /// is being sent in pieces: no other may come between them.
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
