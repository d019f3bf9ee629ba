//! Totals of the messages of a session since they were last taken, for counters kept elsewhere.

use std::mem::take;

use super::Session;
use crate::message::Kind;

/// The number of size classes of messages that are not short.
pub const SIZES: usize = 9;

/// The longest message of each size class except the last, in bytes. Messages of up to 125 bytes,
/// which fit the shortest frame header (RFC 6455 §5.2), have no class.
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

/// The length of the longest short message, in bytes.
pub(super) const SHORT: u64 = 125;

/// Totals since [`Session::take_sums`] was last called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Totals of the received messages.
    pub received: Sum,
    /// Totals of the sent messages.
    pub sent: Sum,
}

/// Totals of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// The number of text messages.
    pub texts: u64,
    /// Bytes of uncompressed payload.
    pub payload: u64,
}

/// The number of messages in each size class since [`Session::take_sizes`] was last called: see
/// [`SIZE_BOUNDS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Received messages.
    pub received: [u32; SIZES],
    /// Sent messages.
    pub sent: [u32; SIZES],
}

/// The counts of a session. Small, as every connection has them; only a message that is not short
/// allocates more.
#[derive(Debug, Default)]
pub(super) struct Counted {
    payload_received: u64,
    payload_sent: u64,
    texts_received: u32,
    texts_sent: u32,
    long: Option<Box<Long>>,
}

/// The counts of messages that are not short.
#[derive(Debug, Default)]
struct Long {
    sizes: Sizes,
    /// True if a message was counted since the sizes were last taken.
    is_changed: bool,
    /// The length so far of the message that is being sent in pieces, in bytes.
    sending: u64,
}

impl Session {
    /// Returns the totals since the last call; `None` if they are zero. They include what
    /// [`record_sums_sent`](Self::record_sums_sent) recorded of messages that others have written.
    #[inline]
    pub fn take_sums(&mut self) -> Option<Sums> {
        self.counted.take_sums()
    }

    /// Returns the number of messages in each size class since the last call; `None` if all
    /// messages were short.
    #[inline]
    pub fn take_sizes(&mut self) -> Option<Sizes> {
        self.counted.take_sizes()
    }
}

impl Counted {
    /// Counts a received piece; `len` is the length of its message so far.
    #[inline]
    pub(super) fn received(&mut self, kind: Kind, piece: usize, end: bool, len: u64) {
        self.add_received(is_text(kind, end), piece as u64);
        if end && len > SHORT {
            self.long().received(len);
        }
    }

    /// Counts a sent piece; `is_first` is true if it begins its message.
    #[inline]
    pub(super) fn sent(&mut self, kind: Kind, piece: usize, end: bool, is_first: bool) {
        self.add_sent(is_text(kind, end), piece as u64);
        if !(end && is_first && piece as u64 <= SHORT) {
            self.long().sent(piece, end);
        }
    }

    /// Counts received texts and bytes of payload.
    #[inline(always)]
    pub(super) fn add_received(&mut self, texts: u32, payload: u64) {
        self.texts_received = self.texts_received.wrapping_add(texts);
        self.payload_received = self.payload_received.wrapping_add(payload);
    }

    /// Counts sent texts and bytes of payload.
    #[inline(always)]
    pub(super) fn add_sent(&mut self, texts: u32, payload: u64) {
        self.texts_sent = self.texts_sent.wrapping_add(texts);
        self.payload_sent = self.payload_sent.wrapping_add(payload);
    }

    /// Returns the totals and resets them; `None` if they are zero.
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

    /// Returns the sizes and resets them; `None` if nothing was counted.
    #[inline]
    pub(super) fn take_sizes(&mut self) -> Option<Sizes> {
        let long = self.long.as_mut()?;
        take(&mut long.is_changed).then(|| take(&mut long.sizes))
    }

    fn long(&mut self) -> &mut Long {
        self.long.get_or_insert_default()
    }
}

/// Returns 1 if the piece ends a text, else 0.
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

/// Counts a message of this length; returns false if it has no size class.
fn count(sizes: &mut [u32; SIZES], len: u64) -> bool {
    let class = size(len).and_then(|class| sizes.get_mut(class));
    class.is_some_and(|count| {
        *count = count.wrapping_add(1);
        true
    })
}

/// Returns the size class of a message of this length; `None` if it is short.
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
    fn a_message_counts_in_the_smallest_size_class_that_holds_it() {
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
