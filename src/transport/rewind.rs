//! A transport whose first bytes have been read already.

use std::fmt;
use std::io;
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::io::Io;
use super::linger::Lingering;

/// A transport that first yields bytes read earlier, and then reads on. It lingers when it is
/// dropped, unless its transport is in a box.
#[derive(Debug)]
pub(crate) struct Rewind<T = Lingering> {
    before: Bytes,
    transport: T,
}

/// An owner of a transport.
pub(crate) trait Holder:
    DerefMut<Target = Io> + fmt::Debug + Send + Unpin + 'static
{
}

impl<T: DerefMut<Target = Io> + fmt::Debug + Send + Unpin + 'static> Holder for T {}

impl Rewind {
    pub(crate) fn new(before: Bytes, transport: Io) -> Self {
        Self::of(before, Lingering::new(transport))
    }
}

impl<T: Holder> Rewind<T> {
    /// The same as [`new`](Rewind::new), for any owner of a transport.
    pub(crate) fn of(before: Bytes, transport: T) -> Self {
        Self { before, transport }
    }

    /// Returns the owner of the transport. Earlier bytes that were not read again are lost.
    #[cfg(feature = "tls")]
    pub(crate) fn into_inner(self) -> T {
        self.transport
    }
}

impl<T: Holder> AsyncRead for Rewind<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.before.is_empty() {
            return Pin::new(&mut *this.transport).poll_read(cx, buf);
        }
        let count = this.before.len().min(buf.remaining());
        buf.put_slice(&this.before.split_to(count));
        if !this.before.has_remaining() {
            this.before = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Holder> AsyncWrite for Rewind<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.get_mut().transport).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.get_mut().transport).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().transport).poll_shutdown(cx)
    }
}
