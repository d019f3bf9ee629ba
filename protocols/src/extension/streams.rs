//! DEFLATE (RFC 1951) without headers, by zlib-rs: the compressor through flate2, the decompressor
//! directly, since flate2 cannot stop it at the end of a block.
//!
//! zlib-rs is the only backend without C that supports window sizes (miniz_oxide does not), and is
//! as fast as zlib-ng. The window may have 9 to 15 bits. For a peer that asks for 8 bits (256
//! bytes), 9 are used, which is safe: zlib looks no further back than its window minus 262 bytes,
//! so no distance exceeds 250.
//!
//! Streams that no connection needs are kept by the thread, up to a limit.

use std::cell::RefCell;
use std::fmt;

use bytes::{Buf, Bytes};
use flate2::{Compress, Compression, FlushCompress};
use zlib_rs::{Inflate, InflateFlush, Status};

use crate::error::ProtocolError;

/// The end of a flush, which is left out on the wire (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The most bytes that are inflated in one call.
const PIECE: usize = 32 * 1024;

/// The number of streams of each kind that a thread keeps. Whole messages need only one; messages
/// in pieces need more at the same time.
const KEPT: usize = 4;

thread_local! {
    static IDLE: RefCell<Idle> = const { RefCell::new(Idle::new()) };
}

struct Idle {
    deflaters: Vec<Deflater>,
    inflaters: Vec<Inflater>,
    /// The output buffer for inflating.
    piece: Vec<u8>,
}

impl Idle {
    const fn new() -> Self {
        Self {
            deflaters: Vec::new(),
            inflaters: Vec::new(),
            piece: Vec::new(),
        }
    }
}

/// A compressor.
#[derive(Debug)]
pub(super) struct Deflater {
    stream: Compress,
    level: u32,
    max_bits: u8,
}

impl Deflater {
    /// Returns a compressor without history, from the thread's idle ones if possible.
    pub(super) fn take(level: u32, max_bits: u8) -> Self {
        let idle = IDLE.with_borrow_mut(|idle| {
            let fits = |idle: &Self| (idle.level, idle.max_bits) == (level, max_bits);
            let at = idle.deflaters.iter().position(fits)?;
            Some(idle.deflaters.swap_remove(at))
        });
        idle.unwrap_or_else(|| {
            let stream = Compress::new_with_window_bits(
                Compression::new(level),
                false,
                max_bits.clamp(9, 15),
            );
            Self {
                stream,
                level,
                max_bits,
            }
        })
    }

    pub(super) fn give_back(mut self) {
        self.stream.reset();
        keep(self, |idle| &mut idle.deflaters);
    }

    /// Returns the memory in bytes, as given at [`Compression`](crate::Compression).
    pub(super) fn held(&self) -> usize {
        if self.max_bits > 12 {
            380 << 10
        } else {
            280 << 10
        }
    }

    /// Compresses bytes and flushes, so that the peer can read all of them.
    pub(super) fn flush(&mut self, mut input: &[u8]) -> Vec<u8> {
        // An empty flush writes nothing, but a block is needed whose tail can be cut off (RFC 7692
        // §7.2.3.6).
        if input.is_empty() {
            return [&[0], &TAIL[..]].concat();
        }
        // The loop extends it if the data does not shrink.
        let mut output = Vec::with_capacity((input.len() / 2).saturating_add(64));
        loop {
            let before = self.stream.total_in();
            self.stream
                .compress_vec(input, &mut output, FlushCompress::Sync)
                .expect("deflate takes any input");
            input = input
                .get(since(before, self.stream.total_in())..)
                .unwrap_or_default();
            if input.is_empty() && output.len() < output.capacity() {
                return output;
            }
            output.reserve(output.capacity().max(64));
        }
    }

    /// Removes the tail from the output of [`flush`](Self::flush).
    pub(super) fn without_tail(mut flushed: Vec<u8>) -> Vec<u8> {
        flushed.truncate(flushed.len().saturating_sub(TAIL.len()));
        flushed
    }
}

/// A decompressor. Its window is the largest, which can read data of any window.
pub(super) struct Inflater {
    stream: Inflate,
    /// True if input was read since the last end.
    begun: bool,
}

impl Inflater {
    /// The memory of a decompressor, in bytes.
    pub(super) const HELD: usize = 47 << 10;

    /// Returns a decompressor whose history is exactly `history`.
    pub(super) fn take(history: [&[u8]; 2]) -> Result<Self, ProtocolError> {
        let idle = IDLE.with_borrow_mut(|idle| idle.inflaters.pop());
        let mut inflater = idle.unwrap_or_else(|| Self {
            stream: Inflate::new(false, 15),
            begun: false,
        });
        for part in history.into_iter().filter(|part| !part.is_empty()) {
            let known = inflater.stream.set_dictionary(part);
            known.map_err(|_| ProtocolError::Deflate)?;
        }
        Ok(inflater)
    }

    pub(super) fn give_back(mut self) {
        self.reset();
        keep(self, |idle| &mut idle.inflaters);
    }

    /// Inflates input until it is used up or a piece is full; also returns whether more may follow.
    pub(super) fn inflate(&mut self, input: &mut Bytes) -> Result<(Bytes, bool), ProtocolError> {
        let mut piece = IDLE.with_borrow_mut(|idle| std::mem::take(&mut idle.piece));
        piece.resize(PIECE, 0);
        let filled = self.fill(input, &mut piece);
        let inflated = filled.map(|filled| {
            let bytes = piece.get(..filled).unwrap_or_default();
            (Bytes::copy_from_slice(bytes), filled == PIECE)
        });
        IDLE.with_borrow_mut(|idle| idle.piece = piece);
        inflated
    }

    fn fill(&mut self, input: &mut Bytes, piece: &mut [u8]) -> Result<usize, ProtocolError> {
        let mut filled = 0usize;
        loop {
            let room = piece.get_mut(filled..).unwrap_or_default();
            let (taken, written, status) = self.step(input, room, InflateFlush::SyncFlush)?;
            input.advance(taken);
            filled = filled.saturating_add(written);
            if status == Status::StreamEnd {
                // A block was marked as the last one (RFC 7692 §7.2.3.4). The data after it is
                // independent: zlib, which produces such data, restarts there too.
                self.reset();
            } else if !input.is_empty() && taken == 0 && written == 0 {
                return Err(ProtocolError::Deflate);
            }
            if input.is_empty() || filled == piece.len() {
                return Ok(filled);
            }
        }
    }

    /// Ends a unit of compression that has been inflated completely.
    pub(super) fn end(&mut self) -> Result<(), ProtocolError> {
        if !std::mem::take(&mut self.begun) {
            return Ok(());
        }
        // At a block boundary, the tail is a complete block, and the byte after it is not read.
        // Anywhere else, the data was cut off.
        let [first, second, third, fourth] = TAIL;
        let probe = [first, second, third, fourth, 0];
        match self.step(&probe, &mut [0], InflateFlush::Block)? {
            (4, 0, Status::StreamEnd) => self.reset(),
            (4, 0, _) => {}
            _ => return Err(ProtocolError::Deflate),
        }
        self.begun = false;
        Ok(())
    }

    /// Runs the stream; returns the bytes read, the bytes written and the status.
    fn step(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        flush: InflateFlush,
    ) -> Result<(usize, usize, Status), ProtocolError> {
        let before = (self.stream.total_in(), self.stream.total_out());
        let status = self
            .stream
            .decompress(input, output, flush)
            .map_err(|_| ProtocolError::Deflate)?;
        let taken = since(before.0, self.stream.total_in());
        self.begun |= taken > 0;
        Ok((taken, since(before.1, self.stream.total_out()), status))
    }

    fn reset(&mut self) {
        self.stream.reset(false);
        self.begun = false;
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}

/// Returns the growth of a total.
fn since(before: u64, after: u64) -> usize {
    usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
}

/// Keeps an idle stream for the next connection.
fn keep<T>(stream: T, of: fn(&mut Idle) -> &mut Vec<T>) {
    IDLE.with_borrow_mut(|idle| {
        let kept = of(idle);
        if kept.len() < KEPT {
            kept.push(stream);
        }
    });
}
