//! A process as a transport, whose two directions are its input and output.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::supervisor::{Ended, Started};

/// A process as a transport. The process is asked to end when its input is shut down, when its
/// output has ended, and when this is dropped. The supervisor ends it.
#[derive(Debug)]
pub(super) struct Process {
    /// The standard input; `None` once it is closed by either side.
    stdin: Option<pipe::Sender>,
    /// The standard output; `None` once it has ended.
    stdout: Option<pipe::Receiver>,
    /// The byte that follows each message of the process, if any. Added to the last message if the
    /// process has not written it.
    delimiter: Option<u8>,
    /// The last byte of the output.
    last: Option<u8>,
    /// Asks the process to end when it is dropped.
    ending: Option<oneshot::Sender<()>>,
    /// Receives how the process has ended; `None` once that is known.
    ended: Option<oneshot::Receiver<Ended>>,
}

impl Process {
    /// Turns a started process into a transport.
    ///
    /// # Errors
    ///
    /// The pipes cannot be registered with this runtime.
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

    /// Returns the number of bytes that count as written: all, if the process has closed its input.
    /// The process may still have output, and the rest of its input no longer matters.
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
