//! Bytes on the way out.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Payloads of this many bytes and more are chained instead of copied: below, a copy costs less
/// than one more slice in a vectored write (measured with 1 KiB: a fifth of the whole echo).
pub(crate) const CHAIN: usize = 4096;

/// Once this many bytes have been written and are half of what was copied, they are dropped: a
/// buffer that is never quite empty must not keep all that went through it.
const COMPACT: usize = 4096;

/// Bytes that wait to be written: small ones copied together, large payloads chained by
/// reference, all of them offered to one vectored write through [`Buf`].
///
/// It is a pointer to what has been allocated for it, and keeps that when it is drained: give an
/// empty one to another connection.
#[derive(Debug, Default)]
pub struct WriteBuf {
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Everything that was copied, in order.
    copied: Vec<u8>,
    /// How much of `copied` has been written.
    written: usize,
    /// Large payloads, each with the position in `copied` before which it is due.
    chained: VecDeque<(usize, Bytes)>,
    /// Their bytes.
    chained_len: usize,
}

impl WriteBuf {
    /// An empty buffer; allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes its allocation for copies holds, whether they wait or are yet to come.
    #[inline]
    pub fn capacity(&self) -> usize {
        let waiting = self.waiting.as_ref();
        waiting.map_or(0, |waiting| waiting.copied.capacity())
    }

    /// Whether it has an allocation of its own.
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

    /// Appends a payload: a copy where it is small, a reference where it is large.
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

    /// As [`put`](Self::put), for a payload that others hold too: none is taken where it is copied.
    #[inline]
    pub fn put_shared(&mut self, payload: &Bytes) {
        if payload.len() < CHAIN {
            self.put_slice(payload);
        } else {
            self.put(payload.clone());
        }
    }

    /// Appends a copy and returns it, to be changed in place.
    pub fn put_mut(&mut self, bytes: &[u8]) -> &mut [u8] {
        let copied = &mut self.waiting().copied;
        let start = copied.len();
        copied.extend_from_slice(bytes);
        copied.get_mut(start..).unwrap_or_default()
    }

    /// How many bytes wait.
    #[inline]
    pub fn len(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.len())
    }

    /// Whether nothing waits.
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

    /// Drops what has been written.
    fn compact(&mut self) {
        self.copied.drain(..self.written);
        for (at, _) in &mut self.chained {
            *at = at.saturating_sub(self.written);
        }
        self.written = 0;
    }

    /// The copied bytes that are due before the first chained payload.
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

    // Out of line: nearly always, all that waits has been written.
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
    /// Where `count` is more than waits, as [`Buf`] has it.
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
