//! A socket that those who publish write to, while its connection has nothing to say.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Buf;
use polysock_protocols::{ShortFrames, WriteBuf};
use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

/// The way out of a connection, which may lend it. What stands on the wire between two writes of
/// its own is whole frames, so another's may follow.
#[derive(Debug)]
pub(crate) struct Outlet {
    frames: ShortFrames,
    socket: Mutex<Socket>,
}

#[derive(Debug)]
struct Socket {
    half: OwnedWriteHalf,
    is_lent: bool,
    /// What a borrower's write has left. It goes out before anything else.
    rest: WriteBuf,
    /// How many bytes borrowers have sent.
    sent: u64,
}

/// An outlet in the hands of somebody who is not its connection. Meanwhile its connection waits.
pub(crate) struct Borrowed<'a> {
    pub(crate) frames: ShortFrames,
    socket: MutexGuard<'a, Socket>,
}

impl Outlet {
    /// One that is not lent. Short messages are framed like this on it.
    pub(crate) fn new(half: OwnedWriteHalf, frames: ShortFrames) -> Self {
        let socket = Socket {
            half,
            is_lent: false,
            rest: WriteBuf::new(),
            sent: 0,
        };
        Self {
            frames,
            socket: Mutex::new(socket),
        }
    }

    /// Lets others write, once all that they have left is out; whether they could not before.
    pub(crate) fn lend(&self) -> bool {
        let mut socket = self.lock();
        let is_new = !socket.is_lent && socket.rest.is_empty();
        socket.is_lent |= is_new;
        is_new
    }

    /// Nobody else writes from now on.
    pub(crate) fn take_back(&self) {
        self.lock().is_lent = false;
    }

    /// The outlet, if it is lent.
    pub(crate) fn borrow(&self) -> Option<Borrowed<'_>> {
        let socket = self.lock();
        socket.is_lent.then_some(Borrowed {
            frames: self.frames,
            socket,
        })
    }

    /// How many bytes borrowers have sent.
    pub(crate) fn sent(&self) -> u64 {
        self.lock().sent
    }

    /// Writes what borrowers have left.
    pub(crate) fn poll_rest(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_rest(cx)
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut socket = self.lock();
        ready!(socket.poll_rest(cx))?;
        Pin::new(&mut socket.half).poll_write(cx, bytes)
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut socket = self.lock();
        ready!(socket.poll_rest(cx))?;
        Pin::new(&mut socket.half).poll_write_vectored(cx, slices)
    }

    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = self.lock();
        ready!(socket.poll_rest(cx))?;
        Pin::new(&mut socket.half).poll_shutdown(cx)
    }

    fn lock(&self) -> MutexGuard<'_, Socket> {
        // Nothing between a lock and its end can panic but the allocator.
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Socket {
    /// Writes what borrowers have left. The connection writes again, so nobody else does.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_lent = false;
        while !self.rest.is_empty() {
            let half = Pin::new(&mut self.half);
            let written = ready!(half.poll_write(cx, self.rest.chunk()))?;
            self.rest.advance(written);
        }
        self.rest = WriteBuf::new();
        Poll::Ready(Ok(()))
    }
}

impl Borrowed<'_> {
    /// Writes whole frames; whether all is well. Otherwise the outlet is lent no longer: its
    /// connection writes what is left, or finds out what failed.
    pub(crate) fn write(mut self, frames: &[u8]) -> bool {
        let socket = &mut *self.socket;
        let written = match socket.half.try_write(frames) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => {
                socket.is_lent = false;
                return false;
            }
        };
        socket.sent += frames.len() as u64;
        let rest = frames.get(written..).unwrap_or_default();
        if !rest.is_empty() {
            socket.rest.put_slice(rest);
            socket.is_lent = false;
        }
        socket.is_lent
    }
}
