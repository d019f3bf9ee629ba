//! A transport with the buffers of its two directions.

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use polysock_protocols::{ShortFrames, WriteBuf};
use tokio::io::AsyncWrite;
use tokio_util::io::{poll_read_buf, poll_write_buf};

use super::buffers;
use crate::telemetry::Traffic;
use crate::transport::{CloseOrder, Io, Permit, SharedWriter, linger};

/// The number of bytes that a connection reads before it yields to the others of its thread: the
/// size of one read.
#[expect(clippy::cast_possible_truncation, reason = "half a mebibyte")]
const SHARE: u32 = buffers::READ as u32;

/// The byte stream of a connection: its transport and its buffers.
#[derive(Debug)]
pub(crate) struct BufferedIo {
    /// `None` once the connection has ended.
    transport: Option<Io>,
    /// Bytes read but not yet decoded.
    pub(crate) incoming: BytesMut,
    /// True if `incoming` may contain more than the beginning of a frame.
    pub(crate) has_unread: bool,
    /// True if `incoming` is a buffer of the thread's pool. An idle connection holds none.
    buffer_is_pooled: bool,
    /// True if our direction of the transport has been shut down.
    is_shut: bool,
    /// True if the peer's direction has been read to its end.
    is_read: bool,
    /// Bytes read since the last yield.
    read_since_yield: u32,
    /// Bytes received.
    received: u64,
    /// Bytes sent, without those that publishers wrote directly.
    sent: u64,
}

impl BufferedIo {
    /// Creates the stream of a connection. `incoming` has been read from it already.
    pub(crate) fn new(transport: Io, incoming: BytesMut) -> Self {
        Self {
            transport: Some(transport),
            incoming,
            has_unread: true,
            buffer_is_pooled: false,
            is_shut: false,
            is_read: false,
            read_since_yield: 0,
            received: 0,
            sent: 0,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.transport.is_some()
    }

    /// Returns the bytes so far, and the number of messages that publishers wrote directly.
    pub(crate) fn traffic(&self) -> Traffic {
        let writer = self.transport.as_ref().and_then(Io::shared_writer);
        let sent = writer.map(|writer| writer.sent()).unwrap_or_default();
        Traffic {
            received: self.received,
            sent: self.sent + sent.bytes,
            messages_received: 0,
            messages_sent: sent.messages,
        }
    }

    /// Returns the number of texts and the payload bytes that publishers have sent since the last
    /// call; `None` if there is no shared writing half.
    pub(crate) fn take_sums_of_others(&self) -> Option<(u32, u64)> {
        let writer = self.transport.as_ref()?.shared_writer()?;
        Some(writer.take_sums())
    }

    /// Keeps a permit for as long as the transport exists.
    pub(crate) fn keep(&mut self, permit: Permit) {
        if let Some(transport) = &mut self.transport {
            transport.add_permit(permit);
        }
    }

    /// Shares the writing half of a TCP transport with publishers, who write whole frames of this
    /// form. `None` if the transport is not TCP, is already shared, or has bytes of publishers left
    /// to write.
    pub(crate) fn share_writer(&mut self, frames: ShortFrames) -> Option<Weak<SharedWriter>> {
        let transport = self.transport.take()?.into_shared(frames);
        let writer = self.transport.insert(transport).shared_writer()?;
        writer.share().then(|| Arc::downgrade(writer))
    }

    /// Stops publishers from writing.
    pub(crate) fn reclaim_writer(&self) {
        if let Some(writer) = self.transport.as_ref().and_then(Io::shared_writer) {
            writer.reclaim();
        }
    }

    /// Ready while this connection may go on reading. After a share read without a pause, it yields
    /// to the other connections of the thread.
    pub(crate) fn poll_yield(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.read_since_yield < SHARE {
            return Poll::Ready(());
        }
        self.pause();
        pin!(tokio::task::yield_now()).poll(cx)
    }

    /// Ends the share of this connection, although received bytes are left to decode.
    #[cold]
    pub(crate) fn end_share(&mut self) {
        self.has_unread = true;
        self.read_since_yield = SHARE;
    }

    /// Reads once; 0 is the end of the stream. No buffer is held while there is nothing to read.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.read_by(|transport, incoming| poll_read_buf(transport, cx, incoming))
    }

    /// The same as [`poll_read`](Self::poll_read), but reads at most `most` bytes.
    #[cold]
    pub(crate) fn poll_read_at_most(
        &mut self,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.read_by(|transport, incoming| poll_read_buf(transport, cx, &mut incoming.limit(most)))
    }

    #[inline]
    fn read_by(
        &mut self,
        read: impl FnOnce(Pin<&mut Io>, &mut BytesMut) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Some(transport) = &mut self.transport else {
            return Poll::Ready(Ok(0));
        };
        let incoming = &mut self.incoming;
        if !self.buffer_is_pooled {
            let rest = std::mem::replace(incoming, buffers::take_read());
            if !rest.is_empty() {
                incoming.extend_from_slice(&rest);
            }
            self.buffer_is_pooled = true;
        }
        if incoming.capacity() < buffers::READ {
            make_room(incoming);
        }
        let read = read(Pin::new(transport), incoming);
        match &read {
            Poll::Ready(Ok(count)) => {
                self.is_read = *count == 0;
                self.has_unread |= *count > 0;
                self.read_since_yield += u32::try_from(*count).unwrap_or(u32::MAX);
                self.received += *count as u64;
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.pause(),
        }
        read
    }

    /// Returns the buffer to the pool until there is something to read again.
    pub(crate) fn pause(&mut self) {
        self.read_since_yield = 0;
        if self.buffer_is_pooled {
            let rest = match &self.incoming[..] {
                [] => BytesMut::new(),
                // Usually the beginning of a header, which gets a buffer of its own.
                rest => BytesMut::from(rest),
            };
            let mut buffer = std::mem::replace(&mut self.incoming, rest);
            buffer.clear();
            buffers::give_read(buffer);
            self.buffer_is_pooled = false;
        }
    }

    /// Writes all of `outgoing`, and flushes.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &mut WriteBuf,
    ) -> Poll<io::Result<()>> {
        let writer = self.transport.as_ref().and_then(Io::shared_writer);
        if outgoing.is_allocated() || writer.is_some() {
            return self.poll_write_out(cx, outgoing);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_out(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &mut WriteBuf,
    ) -> Poll<io::Result<()>> {
        let Some(transport) = &mut self.transport else {
            return Poll::Ready(Ok(()));
        };
        if let Some(writer) = transport.shared_writer() {
            ready!(writer.poll_unsent(cx))?;
        }
        while !outgoing.is_empty() {
            let chunk = outgoing.chunk();
            let written = if chunk.len() == outgoing.len() {
                // Cheaper in the kernel than a vectored write of one slice.
                let count = ready!(Pin::new(&mut *transport).poll_write(cx, chunk))?;
                outgoing.advance(count);
                count
            } else {
                ready!(poll_write_slices(transport, cx, outgoing))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written as u64;
        }
        // A transport such as TLS may hold bytes back. The buffer stays allocated until they are
        // flushed: this marks that there is work left.
        ready!(Pin::new(&mut *transport).poll_flush(cx))?;
        if outgoing.is_allocated() {
            buffers::give_write(std::mem::take(outgoing));
        }
        Poll::Ready(Ok(()))
    }

    /// Shuts down our direction.
    pub(crate) fn shut(&mut self, cx: &mut Context<'_>) {
        if let (false, Some(transport)) = (self.is_shut, &mut self.transport) {
            // An error shows when the peer's direction is read.
            self.is_shut = Pin::new(transport).poll_shutdown(cx).is_ready();
        }
    }

    /// Writes the final bytes and releases the transport, in the background if need be.
    pub(crate) fn end(&mut self, final_bytes: WriteBuf, order: CloseOrder) {
        self.sent = self.traffic().sent;
        if let Some(transport) = self.transport.take() {
            self.sent += final_bytes.len() as u64;
            // A socket with nothing left to read or to write is closed immediately.
            if !(transport.is_tcp() && self.is_read && final_bytes.is_empty()) {
                linger(transport, final_bytes, order);
            }
        }
    }

    /// Drops a transport that has failed.
    pub(crate) fn abort(&mut self) {
        self.sent = self.traffic().sent;
        self.transport = None;
    }
}

/// Makes room for a read. The space at the front of the buffer is reused if no message refers to
/// it.
#[inline(never)]
fn make_room(incoming: &mut BytesMut) {
    let reclaimed = incoming.try_reclaim(buffers::READ.saturating_sub(incoming.len()));
    if !reclaimed && incoming.capacity() - incoming.len() < buffers::READ / 2 {
        incoming.reserve(buffers::READ);
    }
}

/// Writes once, from as many slices as possible. Out of line: the slices take a kilobyte of stack.
#[inline(never)]
fn poll_write_slices(
    transport: &mut Io,
    cx: &mut Context<'_>,
    outgoing: &mut WriteBuf,
) -> Poll<io::Result<usize>> {
    poll_write_buf(Pin::new(transport), cx, outgoing)
}

impl Drop for BufferedIo {
    fn drop(&mut self) {
        self.incoming.clear();
        self.pause();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn the_read_buffer_is_reused_after_a_drop() {
        let (mut peer, transport) = tokio::io::duplex(64);
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(
            Pin::new(&mut peer).poll_write(cx, b"some bytes"),
            Poll::Ready(Ok(10))
        ));
        let mut io = BufferedIo::new(Io::new(transport), BytesMut::new());
        assert!(matches!(io.poll_read(cx), Poll::Ready(Ok(10))));
        let place = io.incoming.as_ptr();
        drop(io);
        assert_eq!(buffers::take_read().as_ptr(), place);
    }

    #[test]
    fn a_transport_that_always_has_data_yields_after_its_share() {
        let flood = tokio::io::join(tokio::io::repeat(b'x'), tokio::io::sink());
        let mut io = BufferedIo::new(Io::new(flood), BytesMut::new());
        let cx = &mut Context::from_waker(Waker::noop());
        for _ in 0..3 {
            let mut share = 0;
            while io.poll_yield(cx).is_ready() {
                let Poll::Ready(Ok(count)) = io.poll_read(cx) else {
                    panic!("the flood has ended");
                };
                io.incoming.clear();
                share += count;
            }
            assert!((1..=2 * buffers::READ).contains(&share), "{share} bytes");
            assert!(!io.buffer_is_pooled, "it holds a buffer while it pauses");
        }
    }
}
