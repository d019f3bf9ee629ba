//! The transport of one connection.

use std::any::Any;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use polysock_protocols::ShortFrames;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::Transport;
use super::permit::Permit;
use super::shared_writer::SharedWriter;

/// The byte stream of one connection. TCP is stored inline, without a pointer, as nearly every
/// connection uses it for every byte.
#[derive(Debug)]
pub(crate) struct Io {
    stream: Stream,
    /// The permit of the gateway that admitted the connection; `None` if it is not counted.
    _permit: Option<Permit>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    /// TCP whose writing half a subscription may share with publishers.
    Shared(OwnedReadHalf, Arc<SharedWriter>),
    Other(Box<dyn Transport>),
}

impl Io {
    /// Stores TCP inline, and boxes any other transport.
    pub(crate) fn new(transport: impl Transport) -> Self {
        let mut transport = Some(transport);
        let tcp = (&mut transport as &mut dyn Any).downcast_mut::<Option<TcpStream>>();
        let stream = match (tcp.and_then(Option::take), transport) {
            (Some(stream), _) => Stream::Tcp(stream),
            (None, Some(transport)) => Stream::Other(Box::new(transport)),
            // Unreachable: only TCP is taken out, and then the first arm matches.
            (None, None) => Stream::Other(Box::new(tokio::io::empty())),
        };
        Self {
            stream,
            _permit: None,
        }
    }

    /// Adds a permit, which is kept until the stream is dropped.
    pub(crate) fn with_permit(mut self, permit: Permit) -> Self {
        self.add_permit(permit);
        self
    }

    /// Adds a permit, which is kept until the stream is dropped.
    pub(crate) fn add_permit(&mut self, permit: Permit) {
        let permit = match self._permit.take() {
            Some(before) => Permit::new((before, permit)),
            None => permit,
        };
        self._permit = Some(permit);
    }

    /// Adds a permit, which is kept until the stream is dropped.
    pub(crate) fn with_further_permit(self, further: Permit) -> Self {
        let permit = match self._permit {
            Some(permit) => Permit::new((permit, further)),
            None => further,
        };
        Self {
            _permit: Some(permit),
            ..self
        }
    }

    /// Converts TCP into a stream whose writing half can be shared. Other transports are unchanged.
    pub(crate) fn into_shared(self, frames: ShortFrames) -> Self {
        let stream = match self.stream {
            Stream::Tcp(stream) => {
                let (reader, half) = stream.into_split();
                Stream::Shared(reader, Arc::new(SharedWriter::new(half, frames)))
            }
            other => other,
        };
        Self { stream, ..self }
    }

    /// Returns the writing half that can be shared; `None` if there is none.
    #[inline]
    pub(crate) fn shared_writer(&self) -> Option<&Arc<SharedWriter>> {
        match &self.stream {
            Stream::Shared(_, writer) => Some(writer),
            Stream::Tcp(_) | Stream::Other(_) => None,
        }
    }

    /// True if it is TCP whose writing half has never been shared.
    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.stream, Stream::Tcp(_))
    }
}

impl AsyncRead for Io {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Shared(half, _) => Pin::new(half).poll_read(cx, buf),
            Stream::Other(transport) => Pin::new(transport).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Shared(_, writer) => writer.poll_write(cx, buf),
            Stream::Other(transport) => Pin::new(transport).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Shared(_, writer) => writer.poll_write_vectored(cx, bufs),
            Stream::Other(transport) => Pin::new(transport).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Shared(..) => true,
            Stream::Other(transport) => transport.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Shared(_, writer) => writer.poll_unsent(cx),
            Stream::Other(transport) => Pin::new(transport).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Shared(_, writer) => writer.poll_shutdown(cx),
            Stream::Other(transport) => Pin::new(transport).poll_shutdown(cx),
        }
    }
}
