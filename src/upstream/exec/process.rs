//! A process as a transport: what it reads and writes are the two directions.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::supervisor::{Ended, Started};

/// A process that is there for one connection. It is asked to end when nothing more is written to it,
/// when it has written all, and when this is dropped; the supervisor sees to it.
#[derive(Debug)]
pub(super) struct Process {
    /// `None` once it reads no more, or nothing more is written to it.
    stdin: Option<pipe::Sender>,
    /// `None` once it has written all.
    stdout: Option<pipe::Receiver>,
    /// What stands behind each message that it writes, and behind the last.
    delimiter: Option<u8>,
    /// The last byte it wrote.
    last: Option<u8>,
    /// Asks it to end when it is dropped.
    ending: Option<oneshot::Sender<()>>,
    /// Tells how it has ended; `None` once that is known.
    ended: Option<oneshot::Receiver<Ended>>,
}

impl Process {
    /// The transport of one that was started.
    ///
    /// # Errors
    ///
    /// Its pipes cannot be waited for on this runtime.
    pub(super) fn new(started: Started, delimiter: Option<u8>) -> io::Result<Self> {
        Ok(Self {
            stdin: Some(pipe::Sender::from_owned_fd(started.stdin)?),
            stdout: Some(pipe::Receiver::from_owned_fd(started.stdout)?),
            delimiter,
            last: None,
            ending: Some(started.ending),
            ended: Some(started.ended),
        })
    }

    /// How much of a write was taken: all, where the process reads no more. It may still have
    /// something to say, and its input is nothing that anybody waits for.
    fn taken(&mut self, written: io::Result<usize>, all: usize) -> io::Result<usize> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.stdin = None;
                Ok(all)
            }
            written => written,
        }
    }
}

impl AsyncRead for Process {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(stdout) = &mut this.stdout {
            let before = buf.filled().len();
            ready!(Pin::new(stdout).poll_read(cx, buf))?;
            if let [.., last] = buf.filled().get(before..).unwrap_or_default() {
                this.last = Some(*last);
                return Poll::Ready(Ok(()));
            }
            this.stdout = None;
            this.stdin = None;
            this.ending = None;
            if let (Some(delimiter), Some(last)) = (this.delimiter, this.last)
                && delimiter != last
            {
                buf.put_slice(&[delimiter]);
                return Poll::Ready(Ok(()));
            }
        }
        let Some(ended) = &mut this.ended else {
            return Poll::Ready(Ok(()));
        };
        let ended = ready!(Pin::new(ended).poll(cx));
        this.ended = None;
        Poll::Ready(match ended {
            Ok(Ended::Failed(error)) => Err(io::Error::other(error)),
            Ok(Ended::Well) | Err(_) => Ok(()),
        })
    }
}

impl AsyncWrite for Process {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(stdin) = &mut this.stdin else {
            return Poll::Ready(Ok(buf.len()));
        };
        let written = ready!(Pin::new(stdin).poll_write(cx, buf));
        Poll::Ready(this.taken(written, buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let all = bufs.iter().map(|buf| buf.len()).sum();
        let Some(stdin) = &mut this.stdin else {
            return Poll::Ready(Ok(all));
        };
        let written = ready!(Pin::new(stdin).poll_write_vectored(cx, bufs));
        Poll::Ready(this.taken(written, all))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.stdin = None;
        this.ending = None;
        Poll::Ready(Ok(()))
    }
}
