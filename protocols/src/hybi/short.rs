//! What nearly every frame is: a whole message, all there. It takes a fraction of the cost of the
//! way through a [`Header`](super::frame::Header), which has all the rules; what does not fit goes
//! there.

use super::{FirstBit, HybiCodec, Masking};
use crate::message::Kind;
use crate::short::{PlainFrames, Short};

/// What the frame of a short message looks like.
pub(super) struct ShortForm {
    /// The first byte of a text.
    text: u8,
    /// The first byte of a binary message.
    binary: u8,
    masked: bool,
    max: usize,
}

impl HybiCodec {
    /// What the frame of a short message looks like if it comes next; `None` where another is
    /// unfinished, or the framing is not as in hybi-07 and later.
    #[inline]
    pub(super) fn short_form(&self) -> Option<ShortForm> {
        let between = self.frame.is_none() && self.receiving.is_none();
        let masked = match self.incoming {
            Masking::Payload => true,
            Masking::None => false,
            Masking::Frame | Masking::DerivedFrame => return None,
        };
        (between && self.dialect.first_bit == FirstBit::Fin).then(|| ShortForm {
            text: 0x80 | self.dialect.opcodes.text,
            binary: 0x80 | self.dialect.opcodes.binary,
            masked,
            max: usize::try_from(self.max_frame).map_or(Short::MAX, |max| max.min(Short::MAX)),
        })
    }

    /// The plain frames of a server, from hybi-07 on.
    pub(super) fn plain(&self) -> Option<PlainFrames> {
        let is_plain = self.outgoing == Masking::None
            && self.deflate.is_none()
            && self.dialect.first_bit == FirstBit::Fin;
        is_plain.then_some(PlainFrames {
            text: 0x80 | self.dialect.opcodes.text,
            binary: 0x80 | self.dialect.opcodes.binary,
        })
    }
}

impl ShortForm {
    /// The message at the beginning of `src`, and what is behind its frame.
    #[inline]
    pub(super) fn parse<'a>(&self, src: &'a [u8]) -> Option<(Short, &'a [u8])> {
        let [first, second, rest @ ..] = src else {
            return None;
        };
        let kind = if *first == self.binary {
            Kind::Binary
        } else if *first == self.text {
            Kind::Text
        } else {
            return None;
        };
        let (len, head, rest) = match (second ^ u8::from(self.masked) << 7, rest) {
            (len @ 0..=125, _) => (u16::from(len), 2u8, rest),
            (126, [high, low, rest @ ..]) => (u16::from_be_bytes([*high, *low]), 4, rest),
            _ => return None,
        };
        let (key, head, rest) = if self.masked {
            let (key, rest) = rest.split_first_chunk()?;
            (*key, head.saturating_add(4), rest)
        } else {
            ([0; 4], head, rest)
        };
        let rest = rest.get(usize::from(len)..)?;
        let short = Short {
            kind,
            head,
            payload: len,
            tail: 0,
            key,
        };
        (usize::from(len) <= self.max).then_some((short, rest))
    }
}
