//! What a session has said and heard since it was last asked: for counters that are kept elsewhere.

use std::mem::take;

use crate::message::Kind;

/// How many classes of size there are for messages that are not short.
pub const SIZES: usize = 9;

/// The longest message of each class of size but the last, in bytes. Messages of up to 125 bytes, which fit
/// the shortest header of a frame (RFC 6455 §5.2), are of no class.
pub const SIZE_BOUNDS: [u64; SIZES - 1] = [
    1 << 10,
    1 << 12,
    1 << 14,
    1 << 16,
    1 << 18,
    1 << 20,
    1 << 22,
    1 << 24,
];

/// The longest message that is short.
pub(super) const SHORT: u64 = 125;

/// What has been received and sent since [`Session::take_sums`](super::Session::take_sums) was called before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// What has been received.
    pub received: Sum,
    /// What has been sent.
    pub sent: Sum,
}

/// Sums of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many of the messages were text.
    pub texts: u64,
    /// Bytes of payload, without compression.
    pub payload: u64,
    /// How many messages there were of each class of size: see [`SIZE_BOUNDS`].
    pub sizes: [u32; SIZES],
}

/// What is counted. Small: every connection has it, and no more as long as its messages are short.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) received: Short,
    pub(super) sent: Short,
    long: Option<Box<Long>>,
}

/// Messages that are dealt with many at once.
#[derive(Debug, Default)]
pub(super) struct Short {
    pub(super) texts: u32,
    pub(super) payload: usize,
}

/// All others.
#[derive(Debug, Default)]
struct Long {
    sums: Sums,
    /// Whether any of them is not zero.
    is_changed: bool,
    /// How long the message is that is sent in pieces, so far.
    sending: u64,
}

impl Counted {
    /// Counts a piece that was received, of a message of this length so far.
    #[inline]
    pub(super) fn received(&mut self, kind: Kind, piece: usize, end: bool, len: u64) {
        if end && len <= SHORT {
            // What came before of so short a message is next to nothing.
            return self.received.add(kind, piece);
        }
        let long = self.long.get_or_insert_default();
        long.is_changed = true;
        long.sums.received.add(kind, piece, end, len);
    }

    /// Counts a piece that is sent, behind others of its message or not.
    #[inline]
    pub(super) fn sent(&mut self, kind: Kind, piece: usize, end: bool, is_first: bool) {
        if end && is_first && piece as u64 <= SHORT {
            return self.sent.add(kind, piece);
        }
        let long = self.long.get_or_insert_default();
        let len = long.sending.wrapping_add(piece as u64);
        long.is_changed = true;
        long.sending = if end { 0 } else { len };
        long.sums.sent.add(kind, piece, end, len);
    }

    /// Counts short messages that others have sent.
    #[cold]
    pub(super) fn sent_by_others(&mut self, texts: u64, payload: u64) {
        let long = self.long.get_or_insert_default();
        long.is_changed = true;
        let sent = &mut long.sums.sent;
        sent.texts = sent.texts.wrapping_add(texts);
        sent.payload = sent.payload.wrapping_add(payload);
    }

    /// What there is, and begins again with nothing.
    #[inline]
    pub(super) fn take(&mut self) -> Sums {
        let long = self.long.as_mut();
        let mut sums = long.map_or_else(Sums::default, |long| {
            long.is_changed = false;
            take(&mut long.sums)
        });
        sums.received.add_short(&take(&mut self.received));
        sums.sent.add_short(&take(&mut self.sent));
        sums
    }

    /// Whether there is something.
    #[inline]
    pub(super) fn is_some(&self) -> bool {
        (self.received.payload | self.sent.payload) != 0
            || (self.received.texts | self.sent.texts) != 0
            || self.long.as_ref().is_some_and(|long| long.is_changed)
    }
}

impl Short {
    /// Counts a whole message, or the end of one.
    #[inline(always)]
    pub(super) fn add(&mut self, kind: Kind, len: usize) {
        self.payload = self.payload.wrapping_add(len);
        self.texts = self.texts.wrapping_add(u32::from(kind == Kind::Text));
    }
}

impl Sum {
    fn add(&mut self, kind: Kind, piece: usize, end: bool, len: u64) {
        self.payload = self.payload.wrapping_add(piece as u64);
        if end {
            self.texts = self.texts.wrapping_add(u64::from(kind == Kind::Text));
            if let Some(count) = size(len).and_then(|size| self.sizes.get_mut(size)) {
                *count = count.wrapping_add(1);
            }
        }
    }

    fn add_short(&mut self, short: &Short) {
        self.texts = self.texts.wrapping_add(short.texts.into());
        self.payload = self.payload.wrapping_add(short.payload as u64);
    }
}

/// The class of size that a message of this length is of, if any.
#[inline]
fn size(len: u64) -> Option<usize> {
    let zeros = len.saturating_sub(1).leading_zeros();
    let bits = u64::BITS.saturating_sub(zeros);
    let class = usize::try_from(bits.saturating_sub(9) / 2).unwrap_or(SIZES);
    (len > SHORT).then_some(class.min(SIZE_BOUNDS.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_of_the_first_class_that_has_room_for_it() {
        for len in [0, 1, SHORT] {
            assert_eq!(size(len), None, "{len}");
        }
        for (class, bound) in SIZE_BOUNDS.into_iter().enumerate() {
            assert_eq!(size(bound), Some(class), "{bound}");
            assert_eq!(size(bound + 1), Some(class + 1), "{bound} and one");
        }
        assert_eq!(size(SHORT + 1), Some(0));
        assert_eq!(size(u64::MAX), Some(SIZES - 1));
    }
}
