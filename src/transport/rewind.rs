//! A transport whose first bytes have been read already.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use polysock_protocols::WriteBuf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, empty};

use super::io::Io;
use super::linger::{CloseOrder, linger};

/// Hands out what was read before, then reads on. One that is dropped lingers.
#[derive(Debug)]
pub(crate) struct Rewind {
    before: Bytes,
    transport: Io,
    blocked: Blocked,
}

/// Whether something waits to be written that the transport has no room for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocked(Arc<AtomicBool>);

impl Blocked {
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        self.0.store(written.is_pending(), Ordering::Relaxed);
        written
    }
}

impl Rewind {
    pub(crate) fn new(before: Bytes, transport: Io) -> Self {
        let blocked = Blocked::default();
        Self {
            before,
            transport,
            blocked,
        }
    }

    /// Whether writing had to wait the last time.
    pub(crate) fn is_blocked(&self) -> Blocked {
        self.blocked.clone()
    }

    /// Ends the detour: what is to be read once more, and the transport.
    pub(crate) fn unread(mut self, mut head: BytesMut, rest: &[u8]) -> (BytesMut, Io) {
        head.extend_from_slice(rest);
        head.extend_from_slice(&self.before);
        (head, self.take())
    }

    fn take(&mut self) -> Io {
        std::mem::replace(&mut self.transport, Io::new(empty()))
    }
}

impl Drop for Rewind {
    fn drop(&mut self) {
        linger(self.take(), WriteBuf::new(), CloseOrder::WeFirst);
    }
}

impl AsyncRead for Rewind {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.before.is_empty() {
            return Pin::new(&mut this.transport).poll_read(cx, buf);
        }
        let count = this.before.len().min(buf.remaining());
        buf.put_slice(&this.before.split_to(count));
        if !this.before.has_remaining() {
            this.before = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewind {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.transport).poll_write(cx, buf);
        this.blocked.note(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.transport).poll_write_vectored(cx, bufs);
        this.blocked.note(written)
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
