//! What a session has said and heard since it was last asked: for counters that are kept elsewhere.

use std::mem::take;

use super::Session;
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

/// What has been received and sent since [`Session::take_sums`] was called before.
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
}

/// How many messages there were of each class of size since
/// [`Session::take_sizes`] was called before: see [`SIZE_BOUNDS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Of those received.
    pub received: [u32; SIZES],
    /// Of those sent.
    pub sent: [u32; SIZES],
}

/// What is counted. Small: every connection has it, and no more as long as its messages are short.
#[derive(Debug, Default)]
pub(super) struct Counted {
    payload_received: u64,
    payload_sent: u64,
    texts_received: u32,
    texts_sent: u32,
    long: Option<Box<Long>>,
}

/// What is counted of messages that are not short.
#[derive(Debug, Default)]
struct Long {
    sizes: Sizes,
    /// Whether there are any.
    is_changed: bool,
    /// How long the message is that is sent in pieces, so far.
    sending: u64,
}

impl Session {
    /// What has been received and sent since this was called before; `None` for nothing. Of messages that
    /// others have sent, what [`record_sums_sent`](Self::record_sums_sent) was told.
    #[inline]
    pub fn take_sums(&mut self) -> Option<Sums> {
        self.counted.take_sums()
    }

    /// How many messages of each class of size have been received and sent since this was called before;
    /// `None` where all were short.
    #[inline]
    pub fn take_sizes(&mut self) -> Option<Sizes> {
        self.counted.take_sizes()
    }
}

impl Counted {
    /// Counts a piece that was received, of a message of this length so far.
    #[inline]
    pub(super) fn received(&mut self, kind: Kind, piece: usize, end: bool, len: u64) {
        self.add_received(is_text(kind, end), piece as u64);
        if end && len > SHORT {
            self.long().received(len);
        }
    }

    /// Counts a piece that is sent, behind others of its message or not.
    #[inline]
    pub(super) fn sent(&mut self, kind: Kind, piece: usize, end: bool, is_first: bool) {
        self.add_sent(is_text(kind, end), piece as u64);
        if !(end && is_first && piece as u64 <= SHORT) {
            self.long().sent(piece, end);
        }
    }

    /// Counts so many texts, and bytes of payload, that were received.
    #[inline(always)]
    pub(super) fn add_received(&mut self, texts: u32, payload: u64) {
        self.texts_received = self.texts_received.wrapping_add(texts);
        self.payload_received = self.payload_received.wrapping_add(payload);
    }

    /// Counts so many that are sent.
    #[inline(always)]
    pub(super) fn add_sent(&mut self, texts: u32, payload: u64) {
        self.texts_sent = self.texts_sent.wrapping_add(texts);
        self.payload_sent = self.payload_sent.wrapping_add(payload);
    }

    /// The sums, which begin again; `None` for nothing.
    #[inline]
    pub(super) fn take_sums(&mut self) -> Option<Sums> {
        let payload = self.payload_received | self.payload_sent;
        let texts = self.texts_received | self.texts_sent;
        (payload | u64::from(texts) != 0).then(|| Sums {
            received: Sum {
                texts: take(&mut self.texts_received).into(),
                payload: take(&mut self.payload_received),
            },
            sent: Sum {
                texts: take(&mut self.texts_sent).into(),
                payload: take(&mut self.payload_sent),
            },
        })
    }

    /// The sizes, which begin again; `None` for nothing.
    #[inline]
    pub(super) fn take_sizes(&mut self) -> Option<Sizes> {
        let long = self.long.as_mut()?;
        take(&mut long.is_changed).then(|| take(&mut long.sizes))
    }

    fn long(&mut self) -> &mut Long {
        self.long.get_or_insert_default()
    }
}

/// How many texts a piece ends.
#[inline(always)]
pub(super) fn is_text(kind: Kind, end: bool) -> u32 {
    u32::from(end && kind == Kind::Text)
}

impl Long {
    fn received(&mut self, len: u64) {
        self.is_changed |= count(&mut self.sizes.received, len);
    }

    fn sent(&mut self, piece: usize, end: bool) {
        let len = self.sending.wrapping_add(piece as u64);
        self.sending = if end { 0 } else { len };
        if end {
            self.is_changed |= count(&mut self.sizes.sent, len);
        }
    }
}

/// Counts a message of this length, where it is of a class.
fn count(sizes: &mut [u32; SIZES], len: u64) -> bool {
    let class = size(len).and_then(|class| sizes.get_mut(class));
    class.is_some_and(|count| {
        *count = count.wrapping_add(1);
        true
    })
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
