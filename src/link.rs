//! A transport with the buffers of its two directions.

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use polysock_protocols::{ShortFrames, WriteBuf};
use tokio::io::AsyncWrite;
use tokio_util::io::{poll_read_buf, poll_write_buf};

use crate::access_log::Traffic;
use crate::buffers;
use crate::outlet::Outlet;
use crate::transport::{Carrier, HangUp, linger};

/// The bytes of a connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// `None` once the connection has ended.
    transport: Option<Carrier>,
    /// What was read and not yet decoded.
    pub(crate) incoming: BytesMut,
    /// Whether `incoming` is a buffer of the thread's; an idle connection holds none.
    pooled: bool,
    /// Whether our direction of the transport has been ended.
    is_shut: bool,
    /// Whether the peer's has been read to its end.
    is_read: bool,
    /// Bytes read without a pause.
    turn: usize,
    traffic: Traffic,
    /// Whether the transport was lent, and not taken back.
    is_lent: bool,
}

impl Link {
    /// A link of which `incoming` has been read already.
    pub(crate) fn new(transport: Carrier, incoming: BytesMut) -> Self {
        Self {
            transport: Some(transport),
            incoming,
            pooled: false,
            is_shut: false,
            is_read: false,
            turn: 0,
            traffic: Traffic::default(),
            is_lent: false,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.transport.is_some()
    }

    /// Bytes so far.
    pub(crate) fn traffic(&self) -> Traffic {
        let lent = match &self.transport {
            Some(Carrier::Lent(_, outlet)) => outlet.sent(),
            _ => 0,
        };
        Traffic {
            sent: self.traffic.sent + lent,
            ..self.traffic
        }
    }

    /// Lends the transport, where it is TCP, to whoever writes whole frames of this form. `None`
    /// where it is no TCP, or lent already.
    pub(crate) fn lend_outlet(&mut self, frames: ShortFrames) -> Option<Weak<Outlet>> {
        let transport = self.transport.take()?.into_lent(frames);
        let Carrier::Lent(_, outlet) = self.transport.insert(transport) else {
            return None;
        };
        self.is_lent = true;
        outlet.lend().then(|| Arc::downgrade(outlet))
    }

    /// Nobody else writes from now on.
    #[inline]
    pub(crate) fn take_back(&mut self) {
        if self.is_lent {
            self.take_outlet_back();
        }
    }

    #[cold]
    fn take_outlet_back(&mut self) {
        if let Some(Carrier::Lent(_, outlet)) = &self.transport {
            outlet.take_back();
        }
        self.is_lent = false;
    }

    /// Ready while this connection may go on reading. Once it has read its share without a pause,
    /// the other connections of the thread have their turn.
    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.turn < buffers::READ {
            return Poll::Ready(());
        }
        self.pause();
        pin!(tokio::task::yield_now()).poll(cx)
    }

    /// Reads once; 0 is the end. While there is nothing to read, no buffer is held.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(transport) = &mut self.transport else {
            return Poll::Ready(Ok(0));
        };
        let incoming = &mut self.incoming;
        if !self.pooled {
            let rest = std::mem::replace(incoming, buffers::take_read());
            if !rest.is_empty() {
                incoming.extend_from_slice(&rest);
            }
            self.pooled = true;
        }
        if incoming.capacity() < buffers::READ {
            make_room(incoming);
        }
        let read = poll_read_buf(Pin::new(transport), cx, incoming);
        match &read {
            Poll::Ready(Ok(count)) => {
                self.is_read = *count == 0;
                self.turn += *count;
                self.traffic.received += *count as u64;
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.pause(),
        }
        read
    }

    /// Gives the buffer back until there is something to read again.
    fn pause(&mut self) {
        self.turn = 0;
        if self.pooled {
            let rest = match &self.incoming[..] {
                [] => BytesMut::new(),
                // The beginning of a header at most: it gets a buffer of its own.
                rest => BytesMut::from(rest),
            };
            let mut buffer = std::mem::replace(&mut self.incoming, rest);
            buffer.clear();
            buffers::give_read(buffer);
            self.pooled = false;
        }
    }

    /// Writes out everything that waits.
    #[inline]
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &mut WriteBuf,
    ) -> Poll<io::Result<()>> {
        let is_lent = matches!(self.transport, Some(Carrier::Lent(..)));
        if outgoing.is_allocated() || is_lent {
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
        if let Carrier::Lent(_, outlet) = transport {
            ready!(outlet.poll_rest(cx))?;
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
            self.traffic.sent += written as u64;
        }
        if outgoing.is_allocated() {
            buffers::give_write(std::mem::take(outgoing));
        }
        Poll::Ready(Ok(()))
    }

    /// Ends our direction.
    pub(crate) fn shut(&mut self, cx: &mut Context<'_>) {
        if let (false, Some(transport)) = (self.is_shut, &mut self.transport) {
            // An error shows when the peer's direction is read.
            let _ = Pin::new(transport).poll_shutdown(cx);
            self.is_shut = true;
        }
    }

    /// Lets the transport go with the last words.
    pub(crate) fn end(&mut self, last_words: WriteBuf, hang_up: HangUp) {
        self.traffic = self.traffic();
        if let Some(transport) = self.transport.take() {
            self.traffic.sent += last_words.len() as u64;
            // A socket that has nothing left to read, and nothing to write, is closed without more
            // ado.
            let is_tcp = matches!(transport, Carrier::Tcp(_));
            if !(is_tcp && self.is_read && last_words.is_empty()) {
                linger(transport, last_words, hang_up);
            }
        }
    }

    /// Drops a transport that has failed.
    pub(crate) fn abort(&mut self) {
        self.traffic = self.traffic();
        self.transport = None;
    }
}

/// Makes room for a read: from the beginning of the buffer, as soon as no message is left in it.
#[inline(never)]
fn make_room(incoming: &mut BytesMut) {
    let reclaimed = incoming.try_reclaim(buffers::READ.saturating_sub(incoming.len()));
    if !reclaimed && incoming.capacity() - incoming.len() < buffers::READ / 2 {
        incoming.reserve(buffers::READ);
    }
}

/// Writes once, from as many slices as there are. Out of line: they take a kilobyte of stack.
#[inline(never)]
fn poll_write_slices(
    transport: &mut Carrier,
    cx: &mut Context<'_>,
    outgoing: &mut WriteBuf,
) -> Poll<io::Result<usize>> {
    poll_write_buf(Pin::new(transport), cx, outgoing)
}

impl Drop for Link {
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
    fn what_it_read_into_is_there_for_the_next_when_it_is_dropped() {
        let (mut peer, transport) = tokio::io::duplex(64);
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(
            Pin::new(&mut peer).poll_write(cx, b"some bytes"),
            Poll::Ready(Ok(10))
        ));
        let mut link = Link::new(Carrier::other(transport), BytesMut::new());
        assert!(matches!(link.poll_read(cx), Poll::Ready(Ok(10))));
        let place = link.incoming.as_ptr();
        drop(link);
        assert_eq!(buffers::take_read().as_ptr(), place);
    }

    #[test]
    fn one_that_always_has_more_pauses_after_its_share() {
        let flood = tokio::io::join(tokio::io::repeat(b'x'), tokio::io::sink());
        let mut link = Link::new(Carrier::other(flood), BytesMut::new());
        let cx = &mut Context::from_waker(Waker::noop());
        for _ in 0..3 {
            let mut share = 0;
            while link.poll_turn(cx).is_ready() {
                let Poll::Ready(Ok(count)) = link.poll_read(cx) else {
                    panic!("the flood has ended");
                };
                link.incoming.clear();
                share += count;
            }
            assert!((1..=2 * buffers::READ).contains(&share), "{share} bytes");
            assert!(!link.pooled, "it holds a buffer while it pauses");
        }
    }
}
