//! The writing half of a socket, shared with those who publish while its connection has nothing to
//! say.

use std::io::{self, IoSlice};
use std::mem::take;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Buf;
use polysock_protocols::{ShortFrames, WriteBuf};
use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

/// The writing half of a connection, which may share it. Between two writes of the connection
/// there are whole frames on the wire, so those of somebody else may follow.
#[derive(Debug)]
pub(crate) struct SharedWriter {
    frames: ShortFrames,
    socket: Mutex<Socket>,
}

#[derive(Debug)]
struct Socket {
    half: OwnedWriteHalf,
    is_shared: bool,
    /// The end of a frame that somebody else began. It goes out before anything else.
    unsent: WriteBuf,
    /// What others have sent.
    sent: Published,
}

/// What others have sent on a socket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Published {
    /// Bytes on the wire.
    pub(crate) bytes: u64,
    /// In so many messages.
    pub(crate) messages: u64,
    /// Of which so many were text, since that was asked.
    pub(crate) texts: u32,
    /// With so many bytes of payload, since that was asked.
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

/// The right of somebody else to write once. The connection waits meanwhile.
pub(crate) struct Grant<'a> {
    pub(crate) frames: ShortFrames,
    socket: MutexGuard<'a, Socket>,
}

impl SharedWriter {
    /// One that is not shared yet, on which short messages are framed like this.
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

    /// Lets others write, once all that they have left is out. `true` where they could not before.
    pub(crate) fn share(&self) -> bool {
        let mut socket = self.lock();
        let is_new = !socket.is_shared && socket.unsent.is_empty();
        socket.is_shared |= is_new;
        is_new
    }

    /// Lets nobody else write from now on.
    pub(crate) fn reclaim(&self) {
        self.lock().is_shared = false;
    }

    /// The right to write, where it is shared.
    pub(crate) fn grant(&self) -> Option<Grant<'_>> {
        let socket = self.lock();
        socket.is_shared.then_some(Grant {
            frames: self.frames,
            socket,
        })
    }

    /// What others have sent.
    pub(crate) fn sent(&self) -> Published {
        self.lock().sent
    }

    /// The texts and the payload of what others have sent since this was called before.
    pub(crate) fn take_sums(&self) -> (u32, u64) {
        let Published { texts, payload, .. } = &mut self.lock().sent;
        (take(texts), take(payload))
    }

    /// Reclaims the socket and writes what others have left.
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
        // Nothing between a lock and its end can panic but the allocator.
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Socket {
    /// Reclaims the socket and writes what others have left. Every write of the connection begins
    /// here: whatever it has forgotten, nobody writes into the middle of its frames.
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
    /// Writes whole frames, with these messages in them. `false` where not all went out: the socket is not shared any more, and
    /// its connection writes the rest, or finds out what failed.
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
