//! The transport of one connection.

use std::any::Any;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use polysock_protocols::PlainFrames;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::Transport;
use super::shared_writer::SharedWriter;

/// The byte stream of one connection. TCP stands here itself: what is used for every byte of nearly
/// every connection is not behind a pointer.
#[derive(Debug)]
pub(crate) enum Io {
    Tcp(TcpStream),
    /// TCP whose writing half a subscription may share with those who publish.
    Shared(OwnedReadHalf, Arc<SharedWriter>),
    Other(Box<dyn Transport>),
}

impl Io {
    /// A writing half that can be shared, where it is TCP.
    pub(crate) fn into_shared(self, frames: PlainFrames) -> Self {
        match self {
            Self::Tcp(stream) => {
                let (reader, half) = stream.into_split();
                Self::Shared(reader, Arc::new(SharedWriter::new(half, frames)))
            }
            other => other,
        }
    }

    /// TCP stands in place, anything else behind a pointer.
    pub(crate) fn new(transport: impl Transport) -> Self {
        let mut transport = Some(transport);
        let tcp = (&mut transport as &mut dyn Any).downcast_mut::<Option<TcpStream>>();
        match (tcp.and_then(Option::take), transport) {
            (Some(stream), _) => Self::Tcp(stream),
            (None, Some(transport)) => Self::Other(Box::new(transport)),
            // Only what is TCP is taken out of its place.
            (None, None) => Self::Other(Box::new(tokio::io::empty())),
        }
    }
}

impl AsyncRead for Io {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Shared(half, _) => Pin::new(half).poll_read(cx, buf),
            Self::Other(transport) => Pin::new(transport).poll_read(cx, buf),
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
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Shared(_, writer) => writer.poll_write(cx, buf),
            Self::Other(transport) => Pin::new(transport).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Shared(_, writer) => writer.poll_write_vectored(cx, bufs),
            Self::Other(transport) => Pin::new(transport).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Shared(..) => true,
            Self::Other(transport) => transport.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Shared(_, writer) => writer.poll_unsent(cx),
            Self::Other(transport) => Pin::new(transport).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Shared(_, writer) => writer.poll_shutdown(cx),
            Self::Other(transport) => Pin::new(transport).poll_shutdown(cx),
        }
    }
}
