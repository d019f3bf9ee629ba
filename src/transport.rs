//! What carries the bytes.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt;
use polysock_protocols::WriteBuf;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long the last words may wait for room, and how long the peer has to hang up after them.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// A byte stream with two directions: TCP, a Unix socket, TLS, or memory in tests.
pub trait Transport: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static> Transport for T {}

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
pub(crate) fn linger(mut transport: Box<dyn Transport>, last_words: WriteBuf, hang_up: HangUp) {
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

async fn end(
    transport: &mut Box<dyn Transport>,
    mut last_words: WriteBuf,
    hang_up: HangUp,
) -> io::Result<()> {
    while !last_words.is_empty() {
        timeout(LINGER, transport.write_buf(&mut last_words)).await??;
    }
    if hang_up == HangUp::First {
        transport.shutdown().await?;
    }
    // A peer that goes on sending is not listened to for ever.
    let mut rest = BytesMut::new();
    timeout(LINGER, async {
        loop {
            rest.clear();
            rest.reserve(4096);
            if transport.read_buf(&mut rest).await? == 0 {
                return Ok(());
            }
        }
    })
    .await?
}
