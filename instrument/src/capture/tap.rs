//! A transport that records the bytes that pass through it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::queue::Queue;
use super::recording::Recording;
use crate::pcap::Peer;

/// A transport to a client. Bytes that are read are recorded as the client's, bytes that are
/// written as the server's. A read can join TCP segments, or split one.
#[derive(Debug)]
pub(super) struct Tap<T> {
    transport: T,
    /// The recording. `None` once the connection has ended.
    recording: Option<Recording>,
    queue: Arc<Queue>,
}

impl<T> Tap<T> {
    pub(super) fn new(transport: T, recording: Recording, queue: Arc<Queue>) -> Self {
        Self {
            transport,
            recording: Some(recording),
            queue,
        }
    }

    fn note(&mut self, from: Peer, bytes: &[u8]) {
        if let Some(recording) = &mut self.recording {
            recording.note(from, bytes);
        }
    }

    fn note_end(&mut self, by: Peer, reset: bool) {
        if let Some(recording) = &mut self.recording {
            recording.note_end(by, reset);
        }
    }

    /// Records the written part of these slices.
    fn note_written(&mut self, slices: &[IoSlice<'_>], written: &io::Result<usize>) {
        match written {
            Ok(count) => {
                let all = slices.iter().flat_map(|slice| slice.iter().copied());
                let bytes: Vec<u8> = all.take(*count).collect();
                self.note(Peer::Server, &bytes);
            }
            // The bytes read so far are recorded. Bytes after a reset are lost.
            Err(_) => self.note_end(Peer::Client, true),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Tap<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tap = self.get_mut();
        let before = buf.filled().len();
        let room = buf.remaining();
        let read = ready!(Pin::new(&mut tap.transport).poll_read(cx, buf));
        match (&read, buf.filled().get(before..).unwrap_or_default()) {
            (Ok(()), []) if room > 0 => tap.note_end(Peer::Client, false),
            (Ok(()), bytes) => tap.note(Peer::Client, bytes),
            (Err(_), _) => tap.note_end(Peer::Client, true),
        }
        Poll::Ready(read)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tap<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tap = self.get_mut();
        let written = ready!(Pin::new(&mut tap.transport).poll_write(cx, buf));
        tap.note_written(&[IoSlice::new(buf)], &written);
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tap = self.get_mut();
        let written = ready!(Pin::new(&mut tap.transport).poll_write_vectored(cx, bufs));
        tap.note_written(bufs, &written);
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tap = self.get_mut();
        let shut = ready!(Pin::new(&mut tap.transport).poll_shutdown(cx));
        tap.note_end(Peer::Server, false);
        Poll::Ready(shut)
    }
}

impl<T> Drop for Tap<T> {
    fn drop(&mut self) {
        let Some(mut recording) = self.recording.take() else {
            return;
        };
        // Dropping the transport ends our direction, unless the whole server is ending.
        if !recording.has_ended(Peer::Server) {
            if self.queue.is_ending() && !recording.has_ended(Peer::Client) {
                recording.note_cut();
            } else {
                recording.note_end(Peer::Server, false);
            }
        }
        self.queue.write(recording);
    }
}
