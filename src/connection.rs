//! The one connection type: a transport and a session.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use bytestring::ByteString;
use futures_core::Stream;
use futures_sink::Sink;
use polysock_protocols::{
    Capabilities, Close, CloseCode, CloseForm, Closed, Codec, EncodeError, Message, Piece,
    ProtocolError, Role, Session, SessionConfig, Timer,
};
use tokio::io::AsyncWrite;
use tokio::time::Sleep;
use tokio_util::io::{poll_read_buf, poll_write_buf};

use crate::access_log::{AccessLog, Traffic};
use crate::buffers;
use crate::error::ConnectionError;
use crate::shutdown::Closer;
use crate::transport::{HangUp, Transport, linger};

/// With this much waiting to go out, nothing more is taken in or on: a peer that sends and never
/// reads costs no more than this and one read.
const HIGH_WATER: usize = 64 * 1024;

/// A connection, whatever protocol it speaks: a stream and a sink of messages.
///
/// The stream ends (`None`) when the connection was closed properly, from either side; pings are
/// answered and the closing handshake is performed while the stream is polled. Polling the stream
/// also writes out what was fed to the sink, once no complete message is left in the buffer: an
/// application that answers with [`feed`](futures_util::SinkExt::feed) sends all its answers to
/// one read in one write.
///
/// Both halves are cancel safe: all state is in the connection. A connection that is dropped
/// while it is open is closed with code 1000, in the background, where a runtime is there for it.
#[derive(Debug)]
pub struct Connection {
    /// `None` once the connection has ended.
    transport: Option<Box<dyn Transport>>,
    session: Session,
    /// What was read and not yet decoded.
    incoming: BytesMut,
    /// Whether `incoming` is a buffer of the thread's; an idle connection holds none.
    pooled: bool,
    /// Whether our direction of the transport has been ended.
    is_shut: bool,
    info: Info,
    closer: Arc<Closer>,
    timer: Option<ArmedTimer>,
    /// The task that the closer and the timer wake.
    waker: Option<Waker>,
    /// An error that is handed out once the close frame that names it is written.
    failure: Option<ConnectionError>,
    traffic: Traffic,
}

/// What is known of a connection from its opening handshake.
#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) protocol: &'static str,
    pub(crate) role: Role,
    pub(crate) subprotocol: Option<ByteString>,
    pub(crate) log: Option<Box<AccessLog>>,
}

#[derive(Debug)]
struct ArmedTimer {
    timer: Timer,
    sleep: Pin<Box<Sleep>>,
}

impl Connection {
    /// A connection whose opening handshake is complete; `incoming` is what came behind it.
    pub(crate) fn new(
        transport: Box<dyn Transport>,
        codec: Box<dyn Codec>,
        incoming: BytesMut,
        config: SessionConfig,
        info: Info,
        closer: Arc<Closer>,
    ) -> Self {
        Self {
            transport: Some(transport),
            session: Session::new(codec, config),
            incoming,
            pooled: false,
            is_shut: false,
            info,
            closer,
            timer: None,
            waker: None,
            failure: None,
            traffic: Traffic::default(),
        }
    }

    /// Closes the connection and waits until the peer has answered, or the close timeout is
    /// over. Messages that still come are dropped.
    ///
    /// # Errors
    ///
    /// The connection failed before it was closed.
    pub async fn close(mut self, close: Option<Close>) -> Result<(), ConnectionError> {
        self.session.close(close);
        while let Some(piece) = poll_fn(|cx| self.poll_piece(cx)).await {
            piece?;
        }
        Ok(())
    }

    /// Begins to close the connection. Messages may still come until the stream ends.
    pub fn start_close(&mut self, close: Option<Close>) {
        self.session.close(close);
    }

    /// Receives the next piece of a message, for relays: nothing is assembled, so a message of
    /// any size passes through bounded memory. Otherwise like polling the stream; do not mix the
    /// two within a message.
    pub fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece, ConnectionError>>> {
        self.poll_receive(cx, Session::receive_piece)
    }

    /// Like [`Sink::start_send`], for a piece of a message.
    ///
    /// # Errors
    ///
    /// The protocol cannot carry it, or the connection is closing.
    pub fn start_send_piece(&mut self, piece: Piece) -> Result<(), ConnectionError> {
        self.lend_buffer();
        Ok(self.session.send_piece(piece)?)
    }

    /// The name of the protocol it speaks.
    pub fn protocol(&self) -> &'static str {
        self.info.protocol
    }

    /// The subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&ByteString> {
        self.info.subprotocol.as_ref()
    }

    /// What can be sent.
    pub fn capabilities(&self) -> Capabilities {
        self.session.capabilities()
    }

    /// How the connection ended, once it has.
    pub fn closed(&self) -> Option<&Closed> {
        self.session.closed()
    }

    /// Bytes on the wire so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn poll_receive<T>(
        &mut self,
        cx: &mut Context<'_>,
        receive: fn(&mut Session, &mut BytesMut) -> Result<Option<T>, ProtocolError>,
    ) -> Poll<Option<Result<T, ConnectionError>>> {
        loop {
            if self.transport.is_none() {
                return Poll::Ready(self.failure.take().map(Err));
            }
            if let Some(code) = self.closer.requested() {
                self.session.close(Some(code.into()));
            }
            // Also while congested, or a peer that never reads would never be given up.
            if self.session.closed().is_some() {
                self.end();
                continue;
            }
            // Backpressure: answers must be on their way before more questions are looked at.
            if self.is_congested() {
                match self.poll_write(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => self.abort(error),
                    Poll::Pending if self.is_congested() => ready!(self.poll_wait(cx)),
                    Poll::Pending => {}
                }
                continue;
            }
            match receive(&mut self.session, &mut self.incoming) {
                Ok(Some(received)) => return Poll::Ready(Some(Ok(received))),
                Ok(None) => {}
                Err(error) => self.failure = Some(error.into()),
            }
            if self.session.closed().is_some() {
                continue;
            }
            match self.poll_write(cx) {
                Poll::Ready(Ok(())) => self.shut_if_closing(cx),
                Poll::Ready(Err(error)) => {
                    self.abort(error);
                    continue;
                }
                Poll::Pending => {}
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) => self.end_of_stream(),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => self.abort(error),
                Poll::Pending => ready!(self.poll_wait(cx)),
            }
        }
    }

    fn is_congested(&mut self) -> bool {
        self.session.outgoing().len() >= HIGH_WATER
    }

    /// Reads once. While there is nothing to read, no buffer is held.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(transport) = &mut self.transport else {
            return Poll::Ready(Ok(0));
        };
        if !self.pooled {
            let rest = std::mem::replace(&mut self.incoming, buffers::take_read());
            self.incoming.extend_from_slice(&rest);
            self.pooled = true;
        }
        let incoming = &mut self.incoming;
        if incoming.capacity() - incoming.len() < buffers::READ / 2 {
            incoming.reserve(buffers::READ);
        }
        let read = poll_read_buf(Pin::new(transport), cx, incoming);
        match &read {
            Poll::Ready(Ok(count)) => self.traffic.received += *count as u64,
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                // What is left is the beginning of a header at most: it gets a buffer of its own.
                let rest = BytesMut::from(&incoming[..]);
                let mut buffer = std::mem::replace(incoming, rest);
                buffer.clear();
                buffers::give_read(buffer);
                self.pooled = false;
            }
        }
        read
    }

    /// Ends our direction of the transport where that is the only way to say that we are done.
    fn shut_if_closing(&mut self, cx: &mut Context<'_>) {
        if self.session.is_open() || self.is_shut {
            return;
        }
        if let (CloseForm::Eof, Some(transport)) =
            (self.session.capabilities().close, &mut self.transport)
        {
            // An error shows when the peer's direction is read.
            let _ = Pin::new(transport).poll_shutdown(cx);
            self.is_shut = true;
        }
    }

    /// Writes out everything that waits.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(transport) = &mut self.transport else {
            return Poll::Ready(Ok(()));
        };
        loop {
            let outgoing = self.session.outgoing();
            if outgoing.is_empty() {
                if let Some(buffer) = outgoing.take_buffer() {
                    buffers::give_write(buffer);
                }
                return Poll::Ready(Ok(()));
            }
            let contiguous = outgoing.chunk().len() == outgoing.len();
            let written = if contiguous {
                // A third cheaper in the kernel than a vectored write of one slice.
                let count = ready!(Pin::new(&mut *transport).poll_write(cx, outgoing.chunk()))?;
                outgoing.advance(count);
                count
            } else {
                ready!(poll_write_buf(Pin::new(&mut *transport), cx, outgoing))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.traffic.sent += written as u64;
        }
    }

    fn lend_buffer(&mut self) {
        let outgoing = self.session.outgoing();
        if !outgoing.has_buffer() {
            outgoing.lend_buffer(buffers::take_write());
        }
    }

    /// Waits for the timer and the closer; ready when one of them had something to say.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let moved = !self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()));
        if moved {
            self.waker = Some(cx.waker().clone());
            self.closer.register(cx.waker());
            if self.session.is_open() && self.closer.requested().is_some() {
                return Poll::Ready(());
            }
        }
        let Some(timer) = self.session.timer() else {
            self.timer = None;
            return Poll::Pending;
        };
        let armed = match &mut self.timer {
            // An armed timer wakes the task that polled it: to poll it again is needless.
            Some(armed) if armed.timer == timer => {
                if !moved && !armed.sleep.is_elapsed() {
                    return Poll::Pending;
                }
                armed
            }
            other => {
                let (Timer::KeepAlive(duration) | Timer::Close(duration)) = timer;
                let sleep = Box::pin(tokio::time::sleep(duration));
                other.insert(ArmedTimer { timer, sleep })
            }
        };
        ready!(armed.sleep.as_mut().poll(cx));
        self.timer = None;
        if let Err(error) = self.session.handle_timeout() {
            self.failure = Some(error.into());
        }
        Poll::Ready(())
    }

    fn end_of_stream(&mut self) {
        self.session.receive_eof();
        let unclean = self.session.closed().is_some_and(|closed| !closed.clean);
        if unclean && self.failure.is_none() {
            self.failure = Some(ConnectionError::Aborted);
        }
    }

    /// The transport has failed: there is nobody to say anything to.
    fn abort(&mut self, error: io::Error) {
        let expected = !self.session.is_open();
        self.session.receive_eof();
        self.transport = None;
        // A peer that has had our close may go as it likes.
        if !expected && self.failure.is_none() {
            self.failure = Some(error.into());
        }
    }

    /// The session has ended: lets the transport go with the last words.
    fn end(&mut self) {
        let Some(transport) = self.transport.take() else {
            return;
        };
        let waits =
            self.info.role == Role::Client && self.session.capabilities().close != CloseForm::Eof;
        let hang_up = if waits { HangUp::Second } else { HangUp::First };
        let last_words = std::mem::take(self.session.outgoing());
        self.traffic.sent += last_words.len() as u64;
        self.timer = None;
        linger(transport, last_words, hang_up);
    }

    /// Whether something can be sent, or why not.
    fn check_open(&mut self) -> Result<(), ConnectionError> {
        if let Some(code) = self.closer.requested() {
            self.session.close(Some(code.into()));
        }
        if self.transport.is_some() && self.session.is_open() {
            Ok(())
        } else {
            Err(EncodeError::Closing.into())
        }
    }

    /// Writes until no more than `mark` bytes wait.
    fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        mark: usize,
    ) -> Poll<Result<(), ConnectionError>> {
        while self.session.outgoing().len() > mark {
            match self.poll_write(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    let kind = error.kind();
                    self.abort(error);
                    return Poll::Ready(Err(io::Error::from(kind).into()));
                }
                Poll::Pending if self.session.outgoing().len() <= mark => {}
                Poll::Pending => {
                    self.closer.register(cx.waker());
                    self.waker = None;
                    return if self.session.is_open() && self.closer.requested().is_some() {
                        Poll::Ready(self.check_open())
                    } else {
                        Poll::Pending
                    };
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Stream for Connection {
    type Item = Result<Message, ConnectionError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_receive(cx, Session::receive)
    }
}

impl Sink<Message> for Connection {
    type Error = ConnectionError;

    /// Ready while less than 64 KiB wait to be written.
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let this = self.get_mut();
        this.check_open()?;
        if this.session.outgoing().len() < HIGH_WATER {
            return Poll::Ready(Ok(()));
        }
        this.poll_drain(cx, HIGH_WATER / 2)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), ConnectionError> {
        self.get_mut().start_send_piece(message.into())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        self.get_mut().poll_drain(cx, 0)
    }

    /// Closes with code 1000 and waits for the peer, as [`Connection::close`] does.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let this = self.get_mut();
        this.session.close(Some(CloseCode::NORMAL.into()));
        while let Some(piece) = ready!(this.poll_piece(cx)) {
            piece?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.transport.is_some() {
            let code = if std::thread::panicking() {
                CloseCode::INTERNAL_ERROR
            } else {
                CloseCode::NORMAL
            };
            self.session.close(Some(code.into()));
            // The answer is not waited for: what the log says is that we ended it.
            self.session.receive_eof();
            self.end();
        }
        if let Some(log) = &self.info.log {
            log.closed(self.session.closed(), self.traffic);
        }
    }
}
