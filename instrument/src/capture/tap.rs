//! A transport that notes what goes through it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::queue::Queue;
use super::recording::Recording;
use crate::pcap::Peer;

/// A transport to a client. What is read of it the client has said; what is written, the server.
/// A read may join segments of TCP, or cut one.
#[derive(Debug)]
pub(super) struct Tap<T> {
    transport: T,
    /// Taken when the connection is over.
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

    /// Notes what of these slices was written.
    fn note_written(&mut self, slices: &[IoSlice<'_>], written: &io::Result<usize>) {
        match written {
            Ok(count) => {
                let all = slices.iter().flat_map(|slice| slice.iter().copied());
                let bytes: Vec<u8> = all.take(*count).collect();
                self.note(Peer::Server, &bytes);
            }
            // What was read before is noted; what comes behind a reset is lost.
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
        // To let a transport go is to end our direction, unless we are just ending as a whole.
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
