//! A gate that hyper owns while the task of the connection watches it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::gate::{Gate, RequestKind};

/// A gate that can be watched while hyper uses it.
#[derive(Debug)]
pub(crate) struct SharedGate<F, T>(Arc<Mutex<Gate<F, T>>>);

impl<F, T> SharedGate<F, T> {
    pub(crate) fn new(gate: Gate<F, T>) -> Self {
        Self(Arc::new(Mutex::new(gate)))
    }

    /// Locks the gate. Never blocks: all users of the gate are in one task.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Gate<F, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the gate, or `None` if it has another user.
    pub(crate) fn into_inner(self) -> Option<Gate<F, T>> {
        let gate = Arc::into_inner(self.0)?;
        Some(gate.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<F, T> Clone for SharedGate<F, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F, T> AsyncRead for SharedGate<F, T>
where
    F: FnMut(&mut BytesMut) -> Option<RequestKind<T>> + Unpin,
    T: Unpin,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_read(cx, buf)
    }
}

impl<F: Unpin, T: Unpin> AsyncWrite for SharedGate<F, T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.lock().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(cx)
    }
}
