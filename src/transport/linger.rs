//! How a transport is let go, so that what was said last arrives.

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use polysock_protocols::WriteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::io::Io;

/// How long the last words may wait for room, and how long the peer has to hang up after them.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

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
pub(crate) fn linger(mut transport: Io, last_words: WriteBuf, hang_up: HangUp) {
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

async fn end(transport: &mut Io, mut last_words: WriteBuf, hang_up: HangUp) -> io::Result<()> {
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
