//! The release of a transport, such that the last bytes arrive.

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

/// The time that the final bytes may wait for room, and that the peer has to close after them.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// The number of reads without a yield. A transport may also be released outside of any task, for
/// example when a runtime ends. Nothing else would then stop reading from a peer that keeps
/// sending.
const READS: usize = 16;

/// The side that closes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseOrder {
    /// Polysock closes first: a server, or a client that has no other way to signal its end.
    WeFirst,
    /// The peer closes first: RFC 6455 §7.1.1 asks a client to wait for its server.
    PeerFirst,
}

/// Writes the final bytes, and closes the transport without a reset that would destroy them in
/// transit. Work that cannot be done immediately continues in the background, if there is a tokio
/// runtime.
pub(crate) fn linger(transport: Io, final_bytes: WriteBuf, order: CloseOrder) {
    let mut ending = Box::pin(close_lingering(transport, final_bytes, order));
    if let Ok(runtime) = Handle::try_current()
        && (&mut ending).now_or_never().is_none()
    {
        runtime.spawn(ending);
    }
}

/// The same as [`linger`], for callers that wait. Cancellation closes the transport immediately.
pub(crate) async fn close_lingering(mut transport: Io, final_bytes: WriteBuf, order: CloseOrder) {
    // No caller is left to report an error to.
    let _ = end(&mut transport, final_bytes, order).await;
}

/// A transport that lingers when it is dropped.
#[derive(Debug)]
pub(crate) struct Lingering(Io);

impl Lingering {
    pub(crate) fn new(transport: Io) -> Self {
        Self(transport)
    }

    /// Returns the transport, which then no longer lingers when it is dropped.
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
    // Together: a peer that reads only after it has sent everything would otherwise deadlock with
    // us.
    match select(pin!(write), pin!(drain)).await {
        Either::Left((written, drain)) => {
            written?;
            // The limit stops a peer that keeps sending.
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
    fn a_peer_that_sends_without_end_does_not_block_the_runtime() {
        let (sender, done) = mpsc::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let context = runtime.enter();
            let flood = Io::new(join(repeat(b'x'), sink()));
            linger(flood, WriteBuf::new(), CloseOrder::WeFirst);
            drop(context);
            // The runtime drops the rest of the work.
            drop(runtime);
            sender.send(()).unwrap();
        });
        done.recv_timeout(Duration::from_secs(10)).unwrap();
    }
}
