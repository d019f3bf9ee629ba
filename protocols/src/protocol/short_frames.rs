//! The fast path for short messages that are complete in the read buffer. A message is short if
//! copying it is cheaper than sharing its memory.

use memchr::memchr;

use crate::message::Kind;
use crate::write_buf::{CHAIN, WriteBuf};

/// The longest payload of a short message.
pub(crate) const MAX_SHORT: usize = CHAIN - 1;

/// The wire layout of whole short messages. With it they are found and written without a call of
/// the codec ([`Codec::reads`](super::Codec::reads), [`Codec::writes`](super::Codec::writes)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortFrames {
    /// One frame of RFC 6455 §5.2, without extensions.
    Counted {
        /// The first byte of a text message.
        text: u8,
        /// The first byte of a binary message.
        binary: u8,
        /// Whether the payload is masked (RFC 6455 §5.3).
        masked: bool,
    },
    /// `00`, a text, `FF` (draft-hixie-thewebsocketprotocol-75 §4.2).
    Delimited,
    /// No frames: the received bytes are one binary message.
    Unframed,
}

/// The position of a whole short message at the beginning of the read buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short {
    /// Text or binary. Text is not validated.
    pub(crate) kind: Kind,
    /// The number of bytes before the payload.
    pub(crate) head: u8,
    /// The number of payload bytes.
    pub(crate) payload: u16,
    /// The number of bytes after the payload.
    tail: u8,
    /// The masking key of the payload (RFC 6455 §5.3); zeroes if the payload is not masked.
    pub(crate) key: [u8; 4],
}

/// A short message that was split off the read buffer.
#[derive(Debug)]
pub(crate) struct Split<'a> {
    /// Text or binary. Text is not validated.
    pub(crate) kind: Kind,
    /// The payload, unmasked.
    pub(crate) payload: &'a [u8],
    /// The bytes after the message.
    pub(crate) rest: &'a mut [u8],
}

impl ShortFrames {
    /// Finds the message at the beginning of `src`, if it is complete and its payload is at most
    /// `max` bytes long.
    #[inline]
    pub(crate) fn find(&self, src: &[u8], max: usize) -> Option<Short> {
        match *self {
            Self::Counted {
                text,
                binary,
                masked,
            } => {
                let kind = match *src.first()? {
                    first if first == binary => Kind::Binary,
                    first if first == text => Kind::Text,
                    _ => return None,
                };
                counted(kind, masked, src, max)
            }
            Self::Delimited => delimited(src, max),
            Self::Unframed => unframed(src, max),
        }
    }

    /// Splits the message that [`find`](Self::find) finds off the beginning of `src`, and unmasks
    /// it. Returns `src` as the error if there is none.
    #[inline(always)]
    pub(crate) fn split<'a>(
        &self,
        src: &'a mut [u8],
        max: usize,
    ) -> Result<Split<'a>, &'a mut [u8]> {
        let Some(short) = self.find(src, max) else {
            return Err(src);
        };
        let start = usize::from(short.head);
        let end = start.wrapping_add(short.payload.into());
        let len = end.wrapping_add(short.tail.into());
        if src.len() < len {
            return Err(src);
        }
        let (frame, rest) = src.split_at_mut(len);
        let (frame, _tail) = frame.split_at_mut(end);
        let (_head, payload) = frame.split_at_mut(start);
        if short.key != [0; 4] {
            xor(payload, short.key);
        }
        let kind = short.kind;
        Ok(Split {
            kind,
            payload,
            rest,
        })
    }

    /// Writes a message without a masking key. Returns `false`, and writes nothing, if the message
    /// needs a key, is not short, or has no such layout.
    // A function call is a tenth of the cost of a short message.
    #[inline(always)]
    pub fn write(&self, kind: Kind, payload: &[u8], dst: &mut WriteBuf) -> bool {
        let Self::Counted {
            text,
            binary,
            masked: false,
        } = *self
        else {
            return self.write_uncounted(kind, payload, dst);
        };
        let first = match kind {
            Kind::Text => text,
            Kind::Binary => binary,
        };
        let [.., high, low] = payload.len().to_be_bytes();
        match payload.len() {
            0..=125 => dst.put_slice(&[first, low]),
            126..=MAX_SHORT => dst.put_slice(&[first, 126, high, low]),
            _ => return false,
        }
        dst.put_slice(payload);
        true
    }

    // Out of line, so that the code for nearly every message stays short.
    #[inline(never)]
    fn write_uncounted(&self, kind: Kind, payload: &[u8], dst: &mut WriteBuf) -> bool {
        if payload.len() > MAX_SHORT {
            return false;
        }
        match (self, kind) {
            (Self::Delimited, Kind::Text) => {
                dst.put_u8(0x00);
                dst.put_slice(payload);
                dst.put_u8(0xff);
            }
            (Self::Unframed, _) => dst.put_slice(payload),
            (Self::Counted { .. }, _) | (Self::Delimited, Kind::Binary) => return false,
        }
        true
    }

    /// Writes a message with a masking key. Returns `false`, and writes nothing, if the layout has
    /// no masking or the message is not short.
    pub(crate) fn write_masked(
        &self,
        kind: Kind,
        payload: &[u8],
        key: [u8; 4],
        dst: &mut WriteBuf,
    ) -> bool {
        let Self::Counted {
            text,
            binary,
            masked: true,
        } = *self
        else {
            return false;
        };
        let first = match kind {
            Kind::Text => text,
            Kind::Binary => binary,
        };
        let [.., high, low] = payload.len().to_be_bytes();
        match payload.len() {
            0..=125 => dst.put_slice(&[first, 0x80 | low]),
            126..=MAX_SHORT => dst.put_slice(&[first, 0x80 | 126, high, low]),
            _ => return false,
        }
        dst.put_slice(&key);
        xor(dst.put_mut(payload), key);
        true
    }
}

#[inline]
fn counted(kind: Kind, masked: bool, src: &[u8], max: usize) -> Option<Short> {
    let (payload, head) = match (src.get(1)? ^ u8::from(masked) << 7, src) {
        (len @ 0..=125, _) => (u16::from(len), 2u8),
        (126, [_, _, high, low, ..]) => (u16::from_be_bytes([*high, *low]), 4),
        _ => return None,
    };
    let start = if masked { head.wrapping_add(4) } else { head };
    let frame = src.get(..usize::from(start).wrapping_add(payload.into()))?;
    let key = if masked {
        *frame.get(usize::from(head)..)?.first_chunk()?
    } else {
        [0; 4]
    };
    (usize::from(payload) <= max).then_some(Short {
        kind,
        head: start,
        payload,
        tail: 0,
        key,
    })
}

#[inline]
fn delimited(src: &[u8], max: usize) -> Option<Short> {
    let [0x00, rest @ ..] = src else {
        return None;
    };
    let window = rest.get(..=max).unwrap_or(rest);
    Some(Short {
        kind: Kind::Text,
        head: 1,
        payload: u16::try_from(memchr(0xff, window)?).ok()?,
        tail: 1,
        key: [0; 4],
    })
}

#[inline]
fn unframed(src: &[u8], max: usize) -> Option<Short> {
    (1..=max).contains(&src.len()).then_some(Short {
        kind: Kind::Binary,
        head: 0,
        payload: u16::try_from(src.len()).ok()?,
        tail: 0,
        key: [0; 4],
    })
}

/// XORs bytes with the repeated key, in blocks that the compiler vectorises.
#[inline]
pub(crate) fn xor(bytes: &mut [u8], key: [u8; 4]) {
    let key = u32::from_le_bytes(key);
    let wide = u64::from(key) << 32 | u64::from(key);
    let (blocks, rest) = bytes.as_chunks_mut::<32>();
    for block in blocks {
        for word in block.as_chunks_mut::<8>().0 {
            *word = (u64::from_le_bytes(*word) ^ wide).to_le_bytes();
        }
    }
    let (words, rest) = rest.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ wide).to_le_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(wide.to_le_bytes()) {
        *byte ^= key;
    }
}
