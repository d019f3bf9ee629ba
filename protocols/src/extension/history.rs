//! The last bytes that a peer has sent, as far back as its messages may refer (RFC 1951 §2).
//!
//! They are kept as bytes, so that a connection between two messages needs no decompressor, and a
//! peer that has sent little costs little.

/// The last inflated bytes.
#[derive(Debug)]
pub(super) struct History {
    /// The bytes; a ring buffer once it is full.
    bytes: Vec<u8>,
    /// The index of the oldest byte.
    oldest: usize,
    /// The number of bytes to keep.
    window: usize,
}

impl History {
    /// Creates a history for a window of this many bits.
    pub(super) fn new(max_bits: u8) -> Self {
        Self {
            bytes: Vec::new(),
            oldest: 0,
            window: 1 << max_bits.min(15),
        }
    }

    /// Appends inflated bytes.
    pub(super) fn extend(&mut self, new: &[u8]) {
        let kept = new.len().saturating_sub(self.window);
        let new = new.get(kept..).unwrap_or_default();
        let room = self.window.saturating_sub(self.bytes.len());
        let (added, wrapped) = new.split_at(room.min(new.len()));
        if added.len() > self.bytes.capacity().saturating_sub(self.bytes.len()) {
            let wanted = added.len().max(self.bytes.len());
            self.bytes.reserve_exact(wanted.min(room));
        }
        self.bytes.extend_from_slice(added);
        let (before, after) =
            wrapped.split_at(wrapped.len().min(self.window.saturating_sub(self.oldest)));
        for part in [before, after] {
            let end = self.oldest.saturating_add(part.len());
            if let Some(place) = self.bytes.get_mut(self.oldest..end) {
                place.copy_from_slice(part);
            }
            self.oldest = if end == self.window { 0 } else { end };
        }
    }

    /// Returns the bytes, from the oldest to the newest, in two parts.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        let (newer, older) = self.bytes.split_at(self.oldest.min(self.bytes.len()));
        [older, newer]
    }

    /// Returns the allocated memory, in bytes.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_bytes_however_they_were_cut() {
        let all: Vec<u8> = (0..5000_u32)
            .map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1])
            .collect();
        for cut in [1, 7, 511, 512, 513, 1024, 5000] {
            let mut history = History::new(9);
            for (number, part) in all.chunks(cut).enumerate() {
                history.extend(part);
                let end = ((number + 1) * cut).min(all.len());
                let expected = &all[end.saturating_sub(512)..end];
                assert_eq!(history.parts().concat(), expected, "in parts of {cut}");
            }
            assert!(history.held() <= 512);
        }
    }

    #[test]
    fn reserves_no_more_than_was_received() {
        let mut history = History::new(15);
        history.extend(&[b'x'; 1024]);
        assert_eq!(history.held(), 1024);
    }
}
