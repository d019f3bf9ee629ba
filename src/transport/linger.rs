//! How a transport is let go, so that what was said last arrives.

use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use polysock_protocols::WriteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt, empty, split};
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::io::Io;

/// How long the final bytes may wait for room, and how long the peer has to hang up after them.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// How many reads are made without a pause. A transport is also let go outside of any task, as when a
/// runtime ends, where nothing else stops one whose peer always has more to say.
const READS: usize = 16;

/// Which side hangs up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseOrder {
    /// We do: a server, and whoever has no other way to say that it is done.
    WeFirst,
    /// The peer does: RFC 6455 §7.1.1 wants a client to wait for its server.
    PeerFirst,
}

/// Writes the final bytes and lets the transport go without a reset that would destroy them on
/// their way. What cannot be done at once goes on in the background, where a runtime is there
/// for it.
pub(crate) fn linger(transport: Io, final_bytes: WriteBuf, order: CloseOrder) {
    let mut ending = Box::pin(let_go(transport, final_bytes, order));
    if let Ok(runtime) = Handle::try_current()
        && (&mut ending).now_or_never().is_none()
    {
        runtime.spawn(ending);
    }
}

/// As [`linger`], for those who wait for it. One that is cancelled is closed at once.
pub(crate) async fn let_go(mut transport: Io, final_bytes: WriteBuf, order: CloseOrder) {
    // Nobody is left to whom an error could be told.
    let _ = end(&mut transport, final_bytes, order).await;
}

/// A transport that lingers when it is dropped.
#[derive(Debug)]
pub(crate) struct Lingering(Io);

impl Lingering {
    pub(crate) fn new(transport: Io) -> Self {
        Self(transport)
    }

    /// The transport, which lingers no more by itself.
    pub(crate) fn into_inner(mut self) -> Io {
        self.take()
    }

    fn take(&mut self) -> Io {
        std::mem::replace(&mut self.0, Io::new(empty()))
    }
}

impl Deref for Lingering {
    type Target = Io;

    fn deref(&self) -> &Io {
        &self.0
    }
}

impl DerefMut for Lingering {
    fn deref_mut(&mut self) -> &mut Io {
        &mut self.0
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        linger(self.take(), WriteBuf::new(), CloseOrder::WeFirst);
    }
}

async fn end(transport: &mut Io, mut final_bytes: WriteBuf, order: CloseOrder) -> io::Result<()> {
    let (mut reader, mut writer) = split(transport);
    let write = async {
        while !final_bytes.is_empty() {
            timeout(LINGER, writer.write_buf(&mut final_bytes)).await??;
        }
        match order {
            CloseOrder::WeFirst => timeout(LINGER, writer.shutdown()).await?,
            CloseOrder::PeerFirst => timeout(LINGER, writer.flush()).await?,
        }
    };
    let drain = async {
        let mut rest = BytesMut::new();
        loop {
            for _ in 0..READS {
                rest.clear();
                rest.reserve(1024);
                if reader.read_buf(&mut rest).await? == 0 {
                    return Ok(());
                }
            }
            yield_now().await;
        }
    };
    // At once: a peer that reads only when it has sent all it has would wait for us, as we for it.
    match select(pin!(write), pin!(drain)).await {
        Either::Left((written, drain)) => {
            written?;
            // A peer that goes on sending is not listened to for ever.
            timeout(LINGER, drain).await?
        }
        Either::Right((drained, write)) => {
            drained?;
            write.await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use tokio::io::{join, repeat, sink};
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn a_peer_that_always_has_more_to_say_holds_nobody_up() {
        let (sender, done) = mpsc::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let context = runtime.enter();
            let flood = Io::new(join(repeat(b'x'), sink()));
            linger(flood, WriteBuf::new(), CloseOrder::WeFirst);
            drop(context);
            // What is left of it ends with the runtime.
            drop(runtime);
            sender.send(()).unwrap();
        });
        done.recv_timeout(Duration::from_secs(10)).unwrap();
    }
}
