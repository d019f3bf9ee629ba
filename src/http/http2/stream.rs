//! An HTTP/2 stream as a transport.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::SEND_BUFFER;

/// The bytes of a stream in both directions, as the payloads of its DATA frames.
#[derive(Debug)]
pub(crate) struct Stream {
    // Released when the stream is no longer used.
    _permit: Option<OwnedSemaphorePermit>,
    sender: SendStream<Bytes>,
    body: RecvStream,
    /// The unread part of a DATA frame.
    chunk: Bytes,
}

impl Stream {
    pub(super) fn new(
        sender: SendStream<Bytes>,
        body: RecvStream,
        chunk: Bytes,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            _permit: permit,
            sender,
            body,
            chunk,
        }
    }
}

impl AsyncRead for Stream {
    /// Reads, and opens the peer's window by the number of bytes read.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        while buf.remaining() > 0 {
            if this.chunk.is_empty() {
                match this.body.poll_data(cx) {
                    Poll::Ready(Some(Ok(chunk))) => this.chunk = chunk,
                    Poll::Ready(None) => break,
                    // The bytes read so far are returned first.
                    _ if buf.filled().len() > before => break,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(io_error(error))),
                    Poll::Pending => return Poll::Pending,
                }
            }
            let count = this.chunk.len().min(buf.remaining());
            buf.put_slice(&this.chunk.split_to(count));
            // This fails only for a stream that has ended, whose window no longer matters.
            let _ = this.body.flow_control().release_capacity(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    /// Writes as much as the peer's windows and the send buffer have room for.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sender = &mut self.get_mut().sender;
        let wanted: usize = bufs.iter().map(|buf| buf.len()).sum();
        // Bounded: capacity reserved here is withheld from the other streams.
        let wanted = wanted.min(SEND_BUFFER);
        if wanted == 0 {
            return Poll::Ready(Ok(0));
        }
        sender.reserve_capacity(wanted);
        while sender.capacity() == 0 {
            match ready!(sender.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                None => return Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
            }
        }
        let count = sender.capacity().min(wanted);
        let mut data = BytesMut::with_capacity(count);
        for buf in bufs {
            let room = count - data.len();
            data.extend_from_slice(buf.get(..room).unwrap_or(buf));
        }
        sender.send_data(data.freeze(), false).map_err(io_error)?;
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: the connection writes the data of its streams.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Sends END_STREAM, the equivalent of TCP's FIN (RFC 8441 §5).
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.get_mut().sender.send_data(Bytes::new(), true);
        Poll::Ready(sent.map_err(io_error))
    }
}

/// Converts an error of `h2`. RST_STREAM is the equivalent of TCP's RST (RFC 8441 §5).
pub(super) fn io_error(error: h2::Error) -> io::Error {
    if error.is_reset() {
        io::Error::new(ErrorKind::ConnectionReset, error)
    } else if error.is_io() {
        error.into_io().unwrap_or(ErrorKind::BrokenPipe.into())
    } else {
        io::Error::new(ErrorKind::ConnectionAborted, error)
    }
}
