//! The output buffer of a connection.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// The length from which payloads are chained instead of copied, in bytes. A copy of a shorter
/// payload costs less than another slice in a vectored write (measured with 1 KiB: a fifth of the
/// whole echo).
pub(crate) const CHAIN: usize = 4096;

/// The number of written bytes from which they are dropped, if they are half of the copied bytes.
/// Otherwise a buffer that is never quite empty would grow without end.
const COMPACT: usize = 4096;

/// Bytes to be written: small ones are copied together, large payloads are chained by reference.
/// [`Buf`] offers all of them to one vectored write.
///
/// A buffer is a pointer to its allocation, which it keeps when drained: an empty one can be given
/// to another connection.
#[derive(Debug, Default)]
pub struct WriteBuf {
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// All copied bytes, in order.
    copied: Vec<u8>,
    /// The number of bytes of `copied` that have been written.
    written: usize,
    /// Large payloads, each with the position in `copied` at which it is inserted.
    chained: VecDeque<(usize, Bytes)>,
    /// The total length of the chained payloads, in bytes.
    chained_len: usize,
}

impl WriteBuf {
    /// Creates an empty buffer, without allocating.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the size of the allocation for copied bytes, used or not.
    #[inline]
    pub fn capacity(&self) -> usize {
        let waiting = self.waiting.as_ref();
        waiting.map_or(0, |waiting| waiting.copied.capacity())
    }

    /// True if the buffer has an allocation.
    #[inline]
    pub fn is_allocated(&self) -> bool {
        self.waiting.is_some()
    }

    #[inline]
    fn waiting(&mut self) -> &mut Waiting {
        match &mut self.waiting {
            Some(waiting) => waiting,
            none => none.insert(Self::allocate()),
        }
    }

    #[cold]
    fn allocate() -> Box<Waiting> {
        Box::default()
    }

    /// Appends a copy.
    #[inline]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        self.waiting().copied.extend_from_slice(bytes);
    }

    /// Appends one byte.
    #[inline]
    pub fn put_u8(&mut self, byte: u8) {
        self.waiting().copied.push(byte);
    }

    /// Appends a payload: a small one is copied, a large one is referenced.
    #[inline]
    pub fn put(&mut self, payload: Bytes) {
        let waiting = self.waiting();
        if payload.len() < CHAIN {
            waiting.copied.extend_from_slice(&payload);
        } else {
            waiting.chained_len = waiting.chained_len.saturating_add(payload.len());
            let at = waiting.copied.len();
            waiting.chained.push_back((at, payload));
        }
    }

    /// The same as [`put`](Self::put), for a payload that has other owners: no reference is taken
    /// if it is copied.
    #[inline]
    pub fn put_shared(&mut self, payload: &Bytes) {
        if payload.len() < CHAIN {
            self.put_slice(payload);
        } else {
            self.put(payload.clone());
        }
    }

    /// Appends a copy and returns it for changes in place.
    pub fn put_mut(&mut self, bytes: &[u8]) -> &mut [u8] {
        let copied = &mut self.waiting().copied;
        let start = copied.len();
        copied.extend_from_slice(bytes);
        copied.get_mut(start..).unwrap_or_default()
    }

    /// Returns the number of bytes to be written.
    #[inline]
    pub fn len(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.len())
    }

    /// True if there is nothing to write.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Waiting {
    #[inline]
    fn len(&self) -> usize {
        let copied = self.copied.len().wrapping_sub(self.written);
        copied.wrapping_add(self.chained_len)
    }

    /// Drops the written bytes.
    fn compact(&mut self) {
        self.copied.drain(..self.written);
        for (at, _) in &mut self.chained {
            *at = at.saturating_sub(self.written);
        }
        self.written = 0;
    }

    /// Returns the copied bytes before the first chained payload.
    fn due(&self) -> &[u8] {
        let end = self
            .chained
            .front()
            .map_or(self.copied.len(), |(at, _)| *at);
        self.copied.get(self.written..end).unwrap_or_default()
    }

    fn chunk(&self) -> &[u8] {
        match self.due() {
            [] => self.chained.front().map_or(&[], |(_, payload)| payload),
            due => due,
        }
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let mut from = self.written;
        let ends = self
            .chained
            .iter()
            .map(|(at, payload)| (*at, payload.as_ref()));
        let slices = ends
            .chain([(self.copied.len(), &[][..])])
            .flat_map(|(at, payload)| {
                let copied = self.copied.get(from..at).unwrap_or_default();
                from = at;
                [copied, payload]
            })
            .filter(|slice| !slice.is_empty());
        dst.iter_mut()
            .zip(slices)
            .map(|(place, slice)| *place = IoSlice::new(slice))
            .count()
    }

    // Not inlined: nearly always, all bytes have been written and the caller's fast path applies.
    #[inline(never)]
    fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let due = self.due().len();
            if due > 0 {
                let step = due.min(count);
                self.written = self.written.saturating_add(step);
                count = count.saturating_sub(step);
            } else if let Some((_, payload)) = self.chained.front_mut() {
                let step = payload.len().min(count);
                payload.advance(step);
                self.chained_len = self.chained_len.saturating_sub(step);
                count = count.saturating_sub(step);
                if payload.is_empty() {
                    self.chained.pop_front();
                }
            }
        }
        if self.len() == 0 {
            self.copied.clear();
            self.written = 0;
        } else if self.written >= COMPACT.max(self.copied.len().div_ceil(2)) {
            self.compact();
        }
    }
}

impl Buf for WriteBuf {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        self.waiting.as_ref().map_or(&[], |waiting| waiting.chunk())
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let waiting = self.waiting.as_ref();
        waiting.map_or(0, |waiting| waiting.chunks_vectored(dst))
    }

    /// # Panics
    ///
    /// Panics if `count` exceeds the buffered bytes, as [`Buf`] requires.
    #[inline]
    fn advance(&mut self, count: usize) {
        let len = self.len();
        assert!(count <= len, "advanced past the end of a write buffer");
        match &mut self.waiting {
            Some(waiting) if count == len && waiting.chained.is_empty() => {
                waiting.copied.clear();
                waiting.written = 0;
            }
            Some(waiting) => waiting.advance(count),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (WriteBuf, Vec<u8>) {
        let mut buf = WriteBuf::new();
        let mut whole = Vec::new();
        for (byte, len) in [
            (1u8, 3usize),
            (2, 2000),
            (3, 1500),
            (4, 5),
            (5, CHAIN),
            (6, 1),
        ] {
            buf.put(Bytes::from(vec![byte; len]));
            whole.extend(vec![byte; len]);
        }
        (buf, whole)
    }

    #[test]
    fn keeps_the_order_of_copied_and_chained_bytes() {
        for step in [1, 2, 7, 999, 1024, 4096, 100_000] {
            let (mut buf, whole) = sample();
            let mut out = Vec::new();
            while buf.has_remaining() {
                assert_eq!(buf.len(), whole.len() - out.len());
                let mut slices = [IoSlice::new(&[]); 3];
                let filled = buf.chunks_vectored(&mut slices);
                let all: Vec<u8> = slices[..filled]
                    .iter()
                    .flat_map(|s| s.iter().copied())
                    .take(step)
                    .collect();
                assert!(!all.is_empty());
                buf.advance(all.len());
                out.extend(all);
            }
            assert_eq!(out, whole, "step {step}");
            assert!(buf.is_empty() && buf.is_allocated());
        }
    }

    #[test]
    fn a_chunk_is_never_empty_while_bytes_wait() {
        let (mut buf, whole) = sample();
        let mut out = Vec::new();
        while buf.has_remaining() {
            let chunk = buf.chunk().to_vec();
            assert!(!chunk.is_empty());
            buf.advance(chunk.len());
            out.extend(chunk);
        }
        assert_eq!(out, whole);
    }
}
