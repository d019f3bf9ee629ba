//! Short messages that lie whole where they were read: "short" is what is cheaper to copy than to
//! share.

use crate::message::Kind;
use crate::write_buf::{CHAIN, WriteBuf};

/// How many messages are looked for at once.
const BATCH: usize = 16;

/// A whole short message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// Text or binary. Text is not validated.
    pub kind: Kind,
    /// How many bytes stand before the payload.
    pub head: u8,
    /// How many the payload has: less than 4 KiB.
    pub payload: u16,
    /// How many stand behind it.
    pub tail: u8,
    /// What the payload is still masked with (RFC 6455 §5.3); zeroes where it is not.
    pub key: [u8; 4],
}

impl Short {
    /// The longest payload.
    pub(crate) const MAX: usize = CHAIN - 1;

    /// Unmasks the payload of the frame at the beginning of `src`; also returns what follows.
    #[inline]
    pub(crate) fn split<'a>(&self, src: &'a mut [u8]) -> Option<(&'a [u8], &'a mut [u8])> {
        let (_, src) = src.split_at_mut_checked(self.head.into())?;
        let (payload, rest) = src.split_at_mut_checked(self.payload.into())?;
        if self.key != [0; 4] {
            xor(payload, self.key);
        }
        let (_, rest) = rest.split_at_mut_checked(self.tail.into())?;
        Some((payload, rest))
    }
}

/// Frames of messages that are sent as they are: so are nearly all that a server sends. A first
/// byte, the length as RFC 6455 §5.2 has it, and the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainFrames {
    /// The first byte of a whole text.
    pub text: u8,
    /// The first byte of a whole binary message.
    pub binary: u8,
}

impl PlainFrames {
    /// Writes a message if it is short; whether it is.
    #[inline]
    pub fn write(&self, kind: Kind, payload: &[u8], dst: &mut WriteBuf) -> bool {
        let first = match kind {
            Kind::Text => self.text,
            Kind::Binary => self.binary,
        };
        let [.., high, low] = payload.len().to_be_bytes();
        match payload.len() {
            0..=125 => dst.put_both(&[first, low], payload),
            126..=Short::MAX => dst.put_both(&[first, 126, high, low], payload),
            _ => return false,
        }
        true
    }
}

/// Some short messages that lie behind each other.
#[derive(Clone, Debug)]
pub struct Shorts {
    found: [Short; BATCH],
    len: usize,
}

impl Shorts {
    /// None.
    #[inline]
    pub(crate) fn new() -> Self {
        let none = Short {
            kind: Kind::Text,
            head: 0,
            payload: 0,
            tail: 0,
            key: [0; 4],
        };
        Self {
            found: [none; BATCH],
            len: 0,
        }
    }

    /// Adds as many of these as there is room for.
    #[inline]
    pub fn fill(&mut self, shorts: impl IntoIterator<Item = Short>) {
        let room = self.found.get_mut(self.len..).unwrap_or_default();
        for (place, short) in room.iter_mut().zip(shorts) {
            *place = short;
            self.len = self.len.saturating_add(1);
        }
    }

    /// Whether there may be more than those found.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.len >= BATCH
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    #[inline]
    pub(crate) fn found(&self) -> &[Short] {
        self.found.get(..self.len).unwrap_or_default()
    }
}

/// XOR with the repeated key, in blocks that the compiler turns into vector instructions.
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
