//! The one connection type: a transport and a session.

mod answers;
mod end;
mod wait;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use bytestring::ByteString;
use futures_core::Stream;
use futures_sink::Sink;
use polysock_protocols::{
    Capabilities, Close, CloseCode, CloseForm, Closed, Codec, EncodeError, Message, Piece,
    ProtocolError, Role, Session, SessionConfig,
};

pub use self::answers::Answers;
use self::answers::{is_congested, lend_buffer};
use self::wait::ArmedTimer;
use crate::access_log::{AccessLog, Traffic};
use crate::error::ConnectionError;
use crate::link::Link;
use crate::shutdown::Closer;
use crate::transport::Carrier;

/// With this much waiting to go out, no message is taken in or on: a peer that sends and never
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
    link: Link,
    session: Session,
    info: Box<Info>,
    closer: Arc<Closer>,
    timer: Option<ArmedTimer>,
    /// Whether something may be left to take of what has been read.
    has_unread: bool,
    /// Whether the closer's request has been heeded.
    has_heeded: bool,
    /// The task that the closer wakes, also on behalf of the timer.
    waker: Option<Waker>,
    /// An error that is handed out once the close frame that names it is written.
    failure: Option<Box<ConnectionError>>,
}

/// What is known of a connection from its opening handshake.
#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) protocol: &'static str,
    pub(crate) role: Role,
    pub(crate) subprotocol: Option<ByteString>,
    pub(crate) log: Option<AccessLog>,
}

/// How something is taken off what has been read.
type Receive<T> = fn(&mut Session, &mut BytesMut) -> Result<Option<T>, ProtocolError>;

/// What a poll of a stream gives.
type Received<T> = Poll<Option<Result<T, ConnectionError>>>;

impl Connection {
    /// A connection whose opening handshake is complete; `incoming` is what came behind it.
    pub(crate) fn new(
        transport: Carrier,
        codec: Box<dyn Codec>,
        incoming: BytesMut,
        config: SessionConfig,
        info: Info,
        closer: Arc<Closer>,
    ) -> Self {
        Self {
            link: Link::new(transport, incoming),
            session: Session::new(codec, config),
            info: Box::new(info),
            closer,
            timer: None,
            has_unread: true,
            has_heeded: false,
            waker: None,
            failure: None,
        }
    }

    /// Closes the connection and waits until the peer has answered or gone, or the close timeout is
    /// over. Messages that still come are dropped.
    ///
    /// # Errors
    ///
    /// The connection failed before our close was out.
    pub async fn close(mut self, close: Option<Close>) -> Result<(), ConnectionError> {
        self.session.close(close);
        while let Some(piece) = poll_fn(|cx| self.poll_piece(cx)).await {
            piece?;
        }
        Ok(())
    }

    /// Begins to close the connection. Messages may still come until the stream ends.
    pub fn start_close(&mut self, close: Option<Close>) {
        self.link.take_back();
        self.session.close(close);
    }

    /// Receives the next piece of a message, for relays: nothing is assembled, so a message of
    /// any size passes through bounded memory. Otherwise like polling the stream; do not mix the
    /// two within a message.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Received<Piece> {
        self.poll_receive(cx, |session, src| session.receive_piece(src, 0))
    }

    /// Like [`Sink::start_send`], for a piece of a message.
    ///
    /// # Errors
    ///
    /// The protocol cannot carry it, or the connection is closing.
    #[inline]
    pub fn start_send_piece(&mut self, piece: Piece) -> Result<(), ConnectionError> {
        Ok(self.sending().send_piece(piece)?)
    }

    /// The session, with a buffer to send into.
    #[inline]
    pub(crate) fn sending(&mut self) -> &mut Session {
        self.link.take_back();
        lend_buffer(&mut self.session);
        &mut self.session
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
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
        self.link.traffic()
    }

    #[inline]
    fn poll_receive<T>(&mut self, cx: &mut Context<'_>, receive: Receive<T>) -> Received<T> {
        self.link.take_back();
        loop {
            if let Some(received) = self.take(receive) {
                return Poll::Ready(Some(Ok(received)));
            }
            if let Some(ended) = ready!(self.poll_more(cx)) {
                return Poll::Ready(ended.err().map(Err));
            }
        }
    }

    /// Takes what has been read already.
    #[inline]
    fn take<T>(&mut self, receive: Receive<T>) -> Option<T> {
        if !self.has_unread {
            return None;
        }
        let taken = receive(&mut self.session, &mut self.link.incoming).unwrap_or_else(|error| {
            self.fail(error);
            None
        });
        self.has_unread = taken.is_some();
        taken
    }

    /// Writes out what waits, and reads more; ready when there may be something to take, or with
    /// how the connection has ended.
    pub(crate) fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(), ConnectionError>>> {
        self.heed_closer();
        if self.session.closed().is_some() {
            self.end();
            return Poll::Ready(Some(
                self.failure.take().map_or(Ok(()), |error| Err(*error)),
            ));
        }
        match self.poll_write(cx) {
            Poll::Ready(Ok(())) => self.shut_if_closing(cx),
            // What the peer sent before it went away is still there, maybe its close.
            Poll::Ready(Err(error)) => {
                match self.link.poll_read(cx) {
                    Poll::Ready(Ok(1..)) => self.has_unread = true,
                    _ => self.abort(error),
                }
                return Poll::Ready(None);
            }
            Poll::Pending => {}
        }
        ready!(self.link.poll_turn(cx));
        match self.link.poll_read(cx) {
            Poll::Ready(Ok(0)) => self.end_of_stream(),
            Poll::Ready(Ok(_)) => self.has_unread = true,
            Poll::Ready(Err(error)) => self.abort(error),
            Poll::Pending => ready!(self.poll_wait(cx)),
        }
        Poll::Ready(None)
    }

    #[inline]
    fn is_congested(&self) -> bool {
        is_congested(&self.session)
    }

    /// Ends our direction of the link where that is the only way to say that we are done.
    fn shut_if_closing(&mut self, cx: &mut Context<'_>) {
        if !self.session.is_open() && self.session.capabilities().close == CloseForm::Eof {
            self.link.shut(cx);
        }
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let before = self.session.waiting();
        let written = self.link.poll_write(cx, self.session.outgoing());
        if written.is_pending() && self.session.waiting() < before {
            // One that takes a large message slowly may be silent meanwhile.
            self.session.record_progress();
        }
        written
    }

    /// Whether something can be sent, or why not.
    #[inline]
    fn check_open(&self) -> Result<(), ConnectionError> {
        if self.link.is_up() && self.session.is_open() {
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
        while self.session.waiting() > mark {
            self.heed_closer();
            if self.session.closed().is_some() {
                return Poll::Ready(Err(EncodeError::Closing.into()));
            }
            match self.poll_write(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    let kind = error.kind();
                    self.abort(error);
                    return Poll::Ready(Err(io::Error::from(kind).into()));
                }
                Poll::Pending if self.session.waiting() <= mark => {}
                // A peer that neither reads nor answers pings is given up here as well.
                Poll::Pending => ready!(self.poll_wait(cx)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Stream for Connection {
    type Item = Result<Message, ConnectionError>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        // Backpressure: answers must be on their way before more questions are looked at. (Not so
        // for a relay's pieces, whose answers come from elsewhere: it waits for room there.)
        if this.is_congested() {
            // What went wrong is for the receiver to say.
            let _ = ready!(this.poll_drain(cx, HIGH_WATER - 1));
        }
        this.poll_receive(cx, Session::receive)
    }
}

impl Sink<Message> for Connection {
    type Error = ConnectionError;

    /// Ready while less than 64 KiB wait to be written.
    #[inline]
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let this = self.get_mut();
        this.check_open()?;
        if !this.is_congested() {
            return Poll::Ready(Ok(()));
        }
        this.poll_drain(cx, HIGH_WATER / 2)
    }

    #[inline]
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
