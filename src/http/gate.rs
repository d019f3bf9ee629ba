//! What hyper gets to read: ordinary requests, one behind the other, and no byte of anything else.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use polysock_protocols::http::{BodyScanner, Head};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use crate::transport::{Io, Lingering};

/// How much is read at once.
const READ: usize = 4096;

/// What a request turned out to be.
#[derive(Debug)]
pub(crate) enum Look<T> {
    /// An ordinary request, whose head is at the beginning of the buffer.
    Ordinary(Head),
    /// Something else.
    Other(T),
}

/// A transport that hands on ordinary requests alone. One that is dropped lingers.
#[derive(Debug)]
pub(crate) struct Gate<F, T> {
    transport: Lingering,
    /// What has been read and not been handed on.
    incoming: BytesMut,
    state: State<T>,
    look: F,
}

#[derive(Debug)]
enum State<T> {
    /// A request is to come.
    Between,
    /// So many bytes of a head are to be handed on, and then a body.
    Request { head: usize, body: BodyScanner },
    /// Something else has come; hyper sees the end of the stream.
    Found(T),
}

impl<T> State<T> {
    fn request(head: &Head) -> Self {
        Self::Request {
            head: head.as_bytes().len(),
            body: BodyScanner::of(head),
        }
    }
}

impl<F, T> Gate<F, T> {
    /// A gate that has read an ordinary request already, with this head, and asks `look` about
    /// each behind it, until it knows.
    pub(crate) fn new(transport: Io, incoming: BytesMut, first: &Head, look: F) -> Self {
        Self {
            transport: Lingering::new(transport),
            incoming,
            state: State::request(first),
            look,
        }
    }

    /// What has been found that is no ordinary request, the transport, and what has been read.
    pub(crate) fn into_found(self) -> Option<(T, Io, BytesMut)> {
        match self.state {
            State::Found(found) => Some((found, self.transport.into_inner(), self.incoming)),
            State::Between | State::Request { .. } => None,
        }
    }
}

impl<F, T> Gate<F, T>
where
    F: FnMut(&mut BytesMut) -> Option<Look<T>>,
{
    /// Hands on what has been read and may be; whether that says anything.
    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if let State::Between = self.state {
            self.state = match (self.look)(&mut self.incoming) {
                Some(Look::Ordinary(head)) => State::request(&head),
                Some(Look::Other(other)) => State::Found(other),
                None => return false,
            };
        }
        let State::Request { head, body } = &mut self.state else {
            return true;
        };
        let room = self.incoming.len().min(buf.remaining());
        let window = self.incoming.get(..room).unwrap_or_default();
        let count = if *head > 0 {
            let count = room.min(*head);
            *head -= count;
            count
        } else {
            body.advance(window)
        };
        if *head == 0 && body.is_over() {
            self.state = State::Between;
        }
        buf.put_slice(&self.incoming.split_to(count));
        count > 0
    }
}

impl<F, T> AsyncRead for Gate<F, T>
where
    F: FnMut(&mut BytesMut) -> Option<Look<T>> + Unpin,
    T: Unpin,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !this.hand_on(buf) {
            this.incoming.reserve(READ);
            let transport = Pin::new(&mut *this.transport);
            if ready!(poll_read_buf(transport, cx, &mut this.incoming))? == 0 {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<F: Unpin, T: Unpin> AsyncWrite for Gate<F, T> {
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
