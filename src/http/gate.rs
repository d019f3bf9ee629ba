//! A filter in front of hyper: passes on ordinary requests one at a time, stops before anything
//! else, and times out clients that make no progress.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use polysock_protocols::http::{BodyScanner, Head};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::io::poll_read_buf;

use super::progress_timeout::{PROGRESS, ProgressTimeout};
use crate::connection::ShutdownSignal;
use crate::transport::{Io, LINGER, Lingering};

/// The time for which a connection is kept open between requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// The size of one read, in bytes.
const READ: usize = 4096;

/// The time without output after which a client that has half-closed is considered disconnected. A
/// client that merely half-closes is served as long as bytes of its answer are sent to it.
const HALF_CLOSED_GRACE: Duration = Duration::from_secs(1);

/// The kind of a request.
#[derive(Debug)]
pub(crate) enum RequestKind<T> {
    /// An ordinary request. The head has been parsed and is still at the beginning of the buffer.
    Ordinary(Head),
    /// Any other request.
    Other(T),
}

/// A transport that passes on ordinary requests only. Dropping it lingers.
#[derive(Debug)]
pub(crate) struct Gate<F, T> {
    transport: Lingering,
    /// Bytes read from the client but not yet passed to hyper.
    incoming: BytesMut,
    state: State<T>,
    classify: F,
    /// The time that a head may take from its first byte, and the result if it takes longer.
    head_timeout: Duration,
    late: Option<T>,
    reading: ProgressTimeout,
    writing: ProgressTimeout,
    /// True if hyper has read since [`watch`](Self::watch). Then hyper is not waiting for an
    /// answer.
    was_read: bool,
    /// Expires when a client that has half-closed is considered disconnected; `None` if the client
    /// has not half-closed.
    ended: Option<Pin<Box<Sleep>>>,
    shutdown: ShutdownSignal,
}

#[derive(Debug)]
enum State<T> {
    /// The next request has not begun, or its head is incomplete.
    Between,
    /// The next `head` bytes of the buffer are a head to pass on; the body follows.
    Request { head: usize, body: BodyScanner },
    /// The next request is not ordinary; hyper sees the end of the stream.
    Found(T),
}

impl<T> State<T> {
    fn request(head: &Head) -> Self {
        Self::Request {
            head: head.as_bytes().len(),
            body: BodyScanner::of(head),
        }
    }
}

impl<F, T> Gate<F, T> {
    /// Creates a gate whose first request has been read and is ordinary, with the head `first`. The
    /// gate calls `classify` with each later request until `classify` has decided. A head that takes longer
    /// than `head_timeout` yields `late`.
    pub(crate) fn new(
        (transport, incoming): (Io, BytesMut),
        first: &Head,
        classify: F,
        (head_timeout, late): (Duration, T),
        shutdown: ShutdownSignal,
    ) -> Self {
        Self {
            transport: Lingering::new(transport),
            incoming,
            state: State::request(first),
            classify,
            head_timeout,
            late: Some(late),
            reading: ProgressTimeout::default(),
            writing: ProgressTimeout::default(),
            was_read: false,
            ended: None,
            shutdown,
        }
    }

    /// Resets the flag that records whether hyper has read since.
    pub(crate) fn watch(&mut self) {
        self.was_read = false;
    }

    /// Ready when the client disconnects while hyper prepares an answer. hyper does not read
    /// meanwhile, so it would not notice. About 4 KiB of the next request may be read and kept.
    pub(crate) fn poll_disconnected(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.was_read || self.writing.is_begun() || !matches!(self.state, State::Between) {
            return Poll::Pending;
        }
        while self.ended.is_none() {
            if self.incoming.len() >= READ {
                return Poll::Pending;
            }
            self.incoming.reserve(READ);
            let transport = Pin::new(&mut *self.transport);
            match ready!(poll_read_buf(transport, cx, &mut self.incoming)) {
                Ok(1..) => {}
                Ok(0) => self.ended = Some(Box::pin(sleep(HALF_CLOSED_GRACE))),
                Err(_) => return Poll::Ready(()),
            }
        }
        match &mut self.ended {
            Some(ended) => ended.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// Returns the request that is not ordinary, the transport, and the bytes already read; `None`
    /// if there was no such request.
    pub(crate) fn into_found(self) -> Option<(T, Io, BytesMut)> {
        match self.state {
            State::Found(found) => Some((found, self.transport.into_inner(), self.incoming)),
            State::Between | State::Request { .. } => None,
        }
    }
}

impl<F, T> Gate<F, T>
where
    F: FnMut(&mut BytesMut) -> Option<RequestKind<T>>,
{
    /// Passes buffered bytes to hyper as far as allowed. Returns true if the read is complete:
    /// bytes were passed on, or hyper is to see the end of the stream.
    fn pass_on(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if let State::Between = self.state {
            if self.incoming.is_empty() {
                return false;
            }
            self.state = match (self.classify)(&mut self.incoming) {
                Some(RequestKind::Ordinary(head)) => State::request(&head),
                Some(RequestKind::Other(other)) => State::Found(other),
                None => return false,
            };
            self.reading.end();
        }
        let State::Request { head, body } = &mut self.state else {
            return true;
        };
        let room = self.incoming.len().min(buf.remaining());
        let window = self.incoming.get(..room).unwrap_or_default();
        let count = if *head > 0 {
            let count = room.min(*head);
            *head -= count;
            count
        } else {
            body.advance(window)
        };
        if *head == 0 && body.is_over() {
            self.state = State::Between;
        }
        buf.put_slice(self.incoming.get(..count).unwrap_or_default());
        self.incoming.advance(count);
        count > 0
    }

    /// Ready when the client has exceeded its time: an idle connection ends, an incomplete head
    /// yields `late`, and a stalled body fails with `TimedOut`.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_between = matches!(self.state, State::Between);
        let limit = match (is_between, self.incoming.is_empty()) {
            (true, true) => KEEP_ALIVE,
            (true, false) => self.head_timeout,
            (false, _) => PROGRESS,
        };
        ready!(self.reading.poll_over(limit, cx));
        if !is_between {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if !self.incoming.is_empty()
            && let Some(late) = self.late.take()
        {
            self.state = State::Found(late);
        }
        Poll::Ready(Ok(()))
    }
}

impl<F, T> AsyncRead for Gate<F, T>
where
    F: FnMut(&mut BytesMut) -> Option<RequestKind<T>> + Unpin,
    T: Unpin,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.was_read = true;
        while !this.pass_on(buf) {
            this.incoming.reserve(READ);
            let begins = this.incoming.is_empty() && matches!(this.state, State::Between);
            let transport = Pin::new(&mut *this.transport);
            match poll_read_buf(transport, cx, &mut this.incoming) {
                Poll::Ready(Ok(0)) => break,
                Poll::Ready(Ok(_)) if begins => this.reading.end(),
                Poll::Ready(Ok(count)) if !matches!(this.state, State::Between) => {
                    this.reading.record(count);
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return this.poll_late(cx),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<F, T> Gate<F, T> {
    /// Accounts for the result of a write. A client that reads none of its answer for [`PROGRESS`],
    /// or for [`LINGER`] once the port shuts down, fails with `TimedOut`.
    fn poll_taken(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(count)) => {
                self.writing.record(*count);
                if let Some(ended) = &mut self.ended {
                    ended.as_mut().reset(Instant::now() + HALF_CLOSED_GRACE);
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                let limit = match self.shutdown.close_requested() {
                    Some(_) => LINGER,
                    None => PROGRESS,
                };
                ready!(self.writing.poll_over(limit, cx));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        written
    }
}

impl<F: Unpin, T: Unpin> AsyncWrite for Gate<F, T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut *this.transport).poll_write(cx, buf);
        this.poll_taken(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut *this.transport).poll_write_vectored(cx, bufs);
        this.poll_taken(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut *this.transport).poll_flush(cx);
        if flushed.is_ready() {
            this.writing.end();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().transport).poll_shutdown(cx)
    }
}
