//! What carries the bytes.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use polysock_protocols::{ShortFrames, WriteBuf};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, split};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::outlet::Outlet;

/// How long the last words may wait for room, and how long the peer has to hang up after them.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// A byte stream with two directions: TCP, a Unix socket, TLS, or memory in tests.
pub trait Transport: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static> Transport for T {}

/// The transport of one connection. TCP stands here itself: what is used for every byte of nearly
/// every connection is not behind a pointer.
#[derive(Debug)]
pub(crate) enum Carrier {
    Tcp(TcpStream),
    /// TCP that a subscription lends to those who publish.
    Lent(OwnedReadHalf, Arc<Outlet>),
    Other(Box<dyn Transport>),
}

impl Carrier {
    /// TCP that can be lent, where it is TCP.
    pub(crate) fn into_lent(self, frames: ShortFrames) -> Self {
        match self {
            Self::Tcp(stream) => {
                let (reader, writer) = stream.into_split();
                Self::Lent(reader, Arc::new(Outlet::new(writer, frames)))
            }
            other => other,
        }
    }

    /// Anything but TCP.
    pub(crate) fn other(transport: impl Transport) -> Self {
        Self::Other(Box::new(transport))
    }
}

impl AsyncRead for Carrier {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Lent(half, _) => Pin::new(half).poll_read(cx, buf),
            Self::Other(transport) => Pin::new(transport).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Carrier {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Lent(_, outlet) => outlet.poll_write(cx, buf),
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
            Self::Lent(_, outlet) => outlet.poll_write_vectored(cx, bufs),
            Self::Other(transport) => Pin::new(transport).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Lent(..) => true,
            Self::Other(transport) => transport.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Lent(_, outlet) => outlet.poll_rest(cx),
            Self::Other(transport) => Pin::new(transport).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Lent(_, outlet) => outlet.poll_shutdown(cx),
            Self::Other(transport) => Pin::new(transport).poll_shutdown(cx),
        }
    }
}

/// Which side hangs up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HangUp {
    /// We do: a server, and whoever has no other way to say that it is done.
    First,
    /// The peer does: RFC 6455 §7.1.1 wants a client to wait for its server.
    Second,
}

/// Writes the last words and lets the transport go without a reset that would destroy them on
/// their way. What cannot be done at once goes on in the background, where a runtime is there
/// for it.
pub(crate) fn linger(mut transport: Carrier, last_words: WriteBuf, hang_up: HangUp) {
    let mut ending = Box::pin(async move {
        // Nobody is left to whom an error could be told.
        let _ = end(&mut transport, last_words, hang_up).await;
    });
    if let Ok(runtime) = Handle::try_current()
        && (&mut ending).now_or_never().is_none()
    {
        runtime.spawn(ending);
    }
}

async fn end(transport: &mut Carrier, mut last_words: WriteBuf, hang_up: HangUp) -> io::Result<()> {
    let (mut reader, mut writer) = split(transport);
    let speak = async {
        while !last_words.is_empty() {
            timeout(LINGER, writer.write_buf(&mut last_words)).await??;
        }
        match hang_up {
            HangUp::First => timeout(LINGER, writer.shutdown()).await?,
            HangUp::Second => Ok(()),
        }
    };
    let drain = async {
        let mut rest = BytesMut::new();
        loop {
            rest.clear();
            rest.reserve(1024);
            if reader.read_buf(&mut rest).await? == 0 {
                return Ok(());
            }
        }
    };
    // At once: a peer that reads only when it has sent all it has would wait for us, as we for it.
    match select(pin!(speak), pin!(drain)).await {
        Either::Left((spoken, drain)) => {
            spoken?;
            // A peer that goes on sending is not listened to for ever.
            timeout(LINGER, drain).await?
        }
        Either::Right((drained, speak)) => {
            drained?;
            speak.await
        }
    }
}
