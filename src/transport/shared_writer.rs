//! The writing half of a socket, shared with publishers while its connection has no output of its
//! own.

use std::io::{self, IoSlice};
use std::mem::take;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Buf;
use polysock_protocols::{ShortFrames, WriteBuf};
use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

/// The writing half of a connection, which may share it with publishers. Between two writes of the
/// connection only whole frames are on the wire, so a publisher's frames may follow.
#[derive(Debug)]
pub(crate) struct SharedWriter {
    frames: ShortFrames,
    socket: Mutex<Socket>,
}

#[derive(Debug)]
struct Socket {
    half: OwnedWriteHalf,
    is_shared: bool,
    /// The rest of a frame that a publisher began. It is sent before anything else.
    unsent: WriteBuf,
    /// The totals of what publishers have sent.
    sent: Published,
}

/// The totals of what publishers have sent on a socket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Published {
    /// Bytes on the wire.
    pub(crate) bytes: u64,
    /// The number of messages.
    pub(crate) messages: u64,
    /// The number of texts among them, since the last [`SharedWriter::take_sums`].
    pub(crate) texts: u32,
    /// The payload in bytes, since the last [`SharedWriter::take_sums`].
    pub(crate) payload: u64,
}

impl Published {
    /// Counts a message.
    #[inline]
    pub(crate) fn add(&mut self, is_text: bool, payload: usize) {
        self.messages += 1;
        self.texts = self.texts.wrapping_add(is_text.into());
        self.payload += payload as u64;
    }
}

/// The right of a publisher to write once. The connection waits meanwhile.
pub(crate) struct Grant<'a> {
    pub(crate) frames: ShortFrames,
    socket: MutexGuard<'a, Socket>,
}

impl SharedWriter {
    /// Creates a writing half that is not shared yet. `frames` is the form of short messages.
    pub(crate) fn new(half: OwnedWriteHalf, frames: ShortFrames) -> Self {
        let socket = Socket {
            half,
            is_shared: false,
            unsent: WriteBuf::new(),
            sent: Published::default(),
        };
        Self {
            frames,
            socket: Mutex::new(socket),
        }
    }

    /// Lets publishers write, unless some of their bytes are still unsent. Returns true if they
    /// could not write before and can now.
    pub(crate) fn share(&self) -> bool {
        let mut socket = self.lock();
        let is_new = !socket.is_shared && socket.unsent.is_empty();
        socket.is_shared |= is_new;
        is_new
    }

    /// Stops publishers from writing.
    pub(crate) fn reclaim(&self) {
        self.lock().is_shared = false;
    }

    /// Returns the right to write; `None` if the half is not shared.
    pub(crate) fn grant(&self) -> Option<Grant<'_>> {
        let socket = self.lock();
        socket.is_shared.then_some(Grant {
            frames: self.frames,
            socket,
        })
    }

    /// Returns the totals of what publishers have sent.
    pub(crate) fn sent(&self) -> Published {
        self.lock().sent
    }

    /// Returns the number of texts and the payload bytes that publishers have sent since the last
    /// call.
    pub(crate) fn take_sums(&self) -> (u32, u64) {
        let Published { texts, payload, .. } = &mut self.lock().sent;
        (take(texts), take(payload))
    }

    /// Reclaims the socket, and writes the unsent bytes of publishers.
    pub(crate) fn poll_unsent(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_unsent(cx)
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut socket = self.lock();
        ready!(socket.poll_unsent(cx))?;
        Pin::new(&mut socket.half).poll_write(cx, bytes)
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut socket = self.lock();
        ready!(socket.poll_unsent(cx))?;
        Pin::new(&mut socket.half).poll_write_vectored(cx, slices)
    }

    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = self.lock();
        ready!(socket.poll_unsent(cx))?;
        Pin::new(&mut socket.half).poll_shutdown(cx)
    }

    fn lock(&self) -> MutexGuard<'_, Socket> {
        // Nothing can panic while the lock is held, except the allocator.
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Socket {
    /// Reclaims the socket, and writes the unsent bytes of publishers. Every write of the
    /// connection begins here. No publisher can therefore write into the middle of its frames, even
    /// if the connection did not reclaim the half before.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_shared = false;
        while !self.unsent.is_empty() {
            let half = Pin::new(&mut self.half);
            let written = ready!(half.poll_write(cx, self.unsent.chunk()))?;
            self.unsent.advance(written);
        }
        self.unsent = WriteBuf::new();
        Poll::Ready(Ok(()))
    }
}

impl Grant<'_> {
    /// Writes whole frames that contain the messages counted in `published`. Returns false if not
    /// all bytes were written. The socket is then no longer shared, and its connection writes the
    /// rest, or finds the error.
    pub(crate) fn write(mut self, frames: &[u8], published: Published) -> bool {
        let socket = &mut *self.socket;
        let written = match socket.half.try_write(frames) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => {
                socket.is_shared = false;
                return false;
            }
        };
        let sent = &mut socket.sent;
        sent.bytes += frames.len() as u64;
        sent.messages += published.messages;
        sent.texts = sent.texts.wrapping_add(published.texts);
        sent.payload += published.payload;
        let rest = frames.get(written..).unwrap_or_default();
        if !rest.is_empty() {
            socket.unsent.put_slice(rest);
            socket.is_shared = false;
        }
        socket.is_shared
    }
}
