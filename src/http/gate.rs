//! What hyper gets to read: ordinary requests, one behind the other, and no byte of anything else. It
//! waits for no client that moves nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use polysock_protocols::http::{BodyScanner, Head};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::io::poll_read_buf;

use super::patience::{PROGRESS, Patience};
use crate::connection::ShutdownSignal;
use crate::transport::{Io, LINGER, Lingering};

/// How long a connection is kept open between requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How much is read at once.
const READ: usize = 4096;

/// How long a client that has ended its direction gets nothing of its answer before it is taken for gone:
/// whoever only half-closes is served as long as there is something to serve it with.
const GONE: Duration = Duration::from_secs(1);

/// What a request turned out to be.
#[derive(Debug)]
pub(crate) enum Look<T> {
    /// An ordinary request, whose head is at the beginning of the buffer.
    Ordinary(Head),
    /// Something else.
    Other(T),
}

/// A transport that hands on ordinary requests alone. One that is dropped lingers.
#[derive(Debug)]
pub(crate) struct Gate<F, T> {
    transport: Lingering,
    /// What has been read and not been handed on.
    incoming: BytesMut,
    state: State<T>,
    look: F,
    /// How long a head may take from its first byte on, and what is found where it takes longer.
    head_timeout: Duration,
    late: Option<T>,
    reading: Patience,
    writing: Patience,
    /// Whether it was read from since [`watch`](Self::watch): there is no answer to be waited for.
    was_read: bool,
    /// Rings when a client that has ended its direction is gone.
    ended: Option<Pin<Box<Sleep>>>,
    shutdown: ShutdownSignal,
}

#[derive(Debug)]
enum State<T> {
    /// A request is to come.
    Between,
    /// So many bytes of a head are to be handed on, and then a body.
    Request { head: usize, body: BodyScanner },
    /// Something else has come; hyper sees the end of the stream.
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
    /// A gate that has read an ordinary request already, with this head, and asks `look` about
    /// each behind it, until it knows. A head that takes longer than `head_timeout` is found to be
    /// `late`.
    pub(crate) fn new(
        (transport, incoming): (Io, BytesMut),
        first: &Head,
        look: F,
        (head_timeout, late): (Duration, T),
        shutdown: ShutdownSignal,
    ) -> Self {
        Self {
            transport: Lingering::new(transport),
            incoming,
            state: State::request(first),
            look,
            head_timeout,
            late: Some(late),
            reading: Patience::default(),
            writing: Patience::default(),
            was_read: false,
            ended: None,
            shutdown,
        }
    }

    /// Begins to tell whether an answer is waited for.
    pub(crate) fn watch(&mut self) {
        self.was_read = false;
    }

    /// Ready when the client has gone that an answer is waited for: nobody reads what it sends, so it
    /// would not be noticed. A little of what comes is kept for later.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
                Ok(0) => self.ended = Some(Box::pin(sleep(GONE))),
                Err(_) => return Poll::Ready(()),
            }
        }
        match &mut self.ended {
            Some(ended) => ended.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// What has been found that is no ordinary request, the transport, and what has been read.
    pub(crate) fn into_found(self) -> Option<(T, Io, BytesMut)> {
        match self.state {
            State::Found(found) => Some((found, self.transport.into_inner(), self.incoming)),
            State::Between | State::Request { .. } => None,
        }
    }
}

impl<F, T> Gate<F, T>
where
    F: FnMut(&mut BytesMut) -> Option<Look<T>>,
{
    /// Hands on what has been read and may be; whether that says anything.
    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if let State::Between = self.state {
            if self.incoming.is_empty() {
                return false;
            }
            self.state = match (self.look)(&mut self.incoming) {
                Some(Look::Ordinary(head)) => State::request(&head),
                Some(Look::Other(other)) => State::Found(other),
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

    /// Ready when the client has been waited for long enough: what it began to say is late, or the
    /// error ends the connection.
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
    F: FnMut(&mut BytesMut) -> Option<Look<T>> + Unpin,
    T: Unpin,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.was_read = true;
        while !this.hand_on(buf) {
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
    /// What came of a write. A client that takes nothing of its answers is not waited for; when the
    /// port shuts down, hardly at all.
    fn poll_taken(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(count)) => {
                self.writing.record(*count);
                if let Some(ended) = &mut self.ended {
                    ended.as_mut().reset(Instant::now() + GONE);
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
