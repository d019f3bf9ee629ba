//! Counts the frames of a connection and detects a peer whose frames do no work.
//!
//! The crate `h2` bounds the memory that frames may cost. The crate does not count frames that cost
//! the peer nothing and move no data: SETTINGS, PING, PRIORITY, RST_STREAM, WINDOW_UPDATE, empty
//! DATA, and unknown types. A peer may send a fixed number of these idle frames a minute, and a few
//! more for each frame that does work.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::transport::Rewind;

/// The number of idle frames that a peer may send in a [`MINUTE`] in any case.
const IDLE: u64 = 10_000;

/// The further idle frames allowed for each HEADERS frame and each non-empty DATA frame, in either
/// direction: a window opens for the stream and for the connection, and a stream may have a
/// priority and a reset.
const PER_WORK: u64 = 4;

/// The period for which frames are counted.
const MINUTE: Duration = Duration::from_secs(60);

/// The length of the client's preface in bytes (RFC 9113 §3.4).
const PREFACE: u64 = 24;

/// A transport that stops reading from a peer that sends too many idle frames.
#[derive(Debug)]
pub(super) struct Counted {
    transport: Rewind,
    incoming: Frames,
    outgoing: Frames,
    /// The start of the counts. The clock is read only when they exceed the limit.
    began: Instant,
    flood: Flood,
}

/// A flag that says that the peer floods. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Flood(Arc<AtomicBool>);

impl Flood {
    pub(super) fn is_seen(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The frames of one direction, as told by their headers (RFC 9113 §4.1).
#[derive(Debug)]
struct Frames {
    /// The number of bytes left of the current payload, or of the preface.
    payload: u64,
    /// The received bytes of the current header.
    header: [u8; HEADER],
    filled: usize,
    idle: u64,
    work: u64,
}

/// The length of a frame header in bytes.
const HEADER: usize = 9;

impl Counted {
    pub(super) fn new(transport: Rewind) -> Self {
        Self {
            transport,
            incoming: Frames::behind(PREFACE),
            outgoing: Frames::behind(0),
            began: Instant::now(),
            flood: Flood::default(),
        }
    }

    pub(super) fn flood(&self) -> Flood {
        self.flood.clone()
    }

    fn is_over(&mut self) -> bool {
        let work = self.incoming.work.saturating_add(self.outgoing.work);
        if self.incoming.idle <= work.saturating_mul(PER_WORK).saturating_add(IDLE) {
            return false;
        }
        let is_over = self.began.elapsed() < MINUTE;
        self.began = Instant::now();
        for frames in [&mut self.incoming, &mut self.outgoing] {
            (frames.idle, frames.work) = (0, 0);
        }
        is_over
    }
}

impl Frames {
    fn behind(preface: u64) -> Self {
        Self {
            payload: preface,
            header: [0; HEADER],
            filled: 0,
            idle: 0,
            work: 0,
        }
    }

    fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let in_payload = usize::try_from(self.payload).unwrap_or(usize::MAX);
            let skipped = in_payload.min(bytes.len());
            self.payload = self.payload.saturating_sub(skipped as u64);
            bytes = bytes.get(skipped..).unwrap_or_default();
            let room = self.header.get_mut(self.filled..).unwrap_or_default();
            let taken = room.len().min(bytes.len());
            let (header, rest) = bytes.split_at(taken);
            if let Some(room) = room.get_mut(..taken) {
                room.copy_from_slice(header);
            }
            self.filled = self.filled.saturating_add(taken);
            bytes = rest;
            if self.filled == HEADER {
                self.filled = 0;
                self.count();
            }
        }
    }

    fn count(&mut self) {
        const DATA: u8 = 0;
        const HEADERS: u8 = 1;
        const CONTINUATION: u8 = 9;
        let [a, b, c, kind, ..] = self.header;
        self.payload = u64::from(u32::from_be_bytes([0, a, b, c]));
        match kind {
            DATA if self.payload > 0 => self.work += 1,
            HEADERS => self.work += 1,
            // CONTINUATION belongs to the HEADERS frame before it, and `h2` bounds the number of
            // them.
            CONTINUATION => {}
            _ => self.idle += 1,
        }
    }
}

impl AsyncRead for Counted {
    /// Stays pending once the peer floods. The polling task must check [`Flood`].
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.flood.is_seen() {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.transport).poll_read(cx, buf);
        this.incoming
            .advance(buf.filled().get(before..).unwrap_or_default());
        if this.is_over() {
            this.flood.0.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.transport).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(mut left)) = written {
            for buf in bufs {
                let part = buf.get(..left).unwrap_or(buf);
                this.outgoing.advance(part);
                left = left.saturating_sub(part.len());
            }
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let [_, len @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&len[..], &[kind, 0, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let bytes = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            frame(4, b""),
            frame(1, b"abc"),
            frame(9, b"abc"),
            frame(0, b"abc"),
            frame(0, b""),
            frame(8, &[0; 4]),
            frame(0xfa, &[1; 300]),
            frame(6, &[0; 8]),
        ]
        .concat();
        for chunk in [1, 2, 7, 9, 10, 100, bytes.len()] {
            let mut frames = Frames::behind(PREFACE);
            for part in bytes.chunks(chunk) {
                frames.advance(part);
            }
            let counted = (frames.idle, frames.work, frames.payload, frames.filled);
            assert_eq!(counted, (5, 2, 0, 0), "{chunk}");
        }
    }
}
