//! Receiving of messages: as a stream, borrowed from the read buffer, or in pieces.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures_core::Stream;
use polysock_protocols::{
    Close, EncodeError, Message, MessageRef, Piece, PieceRef, ProtocolError, Session,
};

use super::send::{HIGH_WATER, is_congested, reserve_buffer};
use super::{Connection, Progress};
use crate::error::ConnectionError;

/// The size from which a message is answered in pieces, in bytes. Large enough that the answers to
/// most messages do not depend on how the network split them.
const LONG: usize = 256 * 1024;

/// The sink for the answers to a message, for [`Connection::answer`].
#[derive(Debug)]
pub struct Answers<'a> {
    session: &'a mut Session,
}

impl Answers<'_> {
    /// Sends a message. It is written together with the other answers to the same read.
    ///
    /// # Errors
    ///
    /// The protocol cannot carry the message, or the connection is closing.
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<MessageRef<'m>>) -> Result<(), EncodeError> {
        reserve_buffer(self.session);
        self.session.send_ref(message.into())
    }

    /// Sends a piece of a message. The next piece must be of the same message until its end.
    ///
    /// # Errors
    ///
    /// The same as for [`send`](Self::send).
    #[inline]
    pub fn send_piece(&mut self, piece: PieceRef<'_>) -> Result<(), EncodeError> {
        reserve_buffer(self.session);
        match piece {
            PieceRef::Message(message) => self.session.send_ref(message),
            PieceRef::Piece(piece) => self.send_owned_piece(piece),
        }
    }

    /// Out of line, to keep the code path of short messages short.
    #[inline(never)]
    fn send_owned_piece(&mut self, piece: Piece) -> Result<(), EncodeError> {
        self.session.send_piece(piece)
    }

    /// Begins to close the connection. Messages may still arrive until it has ended.
    pub fn start_close(&mut self, close: Option<Close>) {
        self.session.close(close);
    }
}

/// The next message or piece that a connection has read.
enum Received<'a, T> {
    /// A whole short message, borrowed from the read buffer.
    Borrowed(MessageRef<'a>),
    /// Any other message or piece.
    Owned(T),
}

/// A function of a session that takes a message or piece out of the read buffer.
type Receive<T> = fn(&mut Session, &mut BytesMut) -> Result<Option<T>, ProtocolError>;

impl Connection {
    /// Passes each message to `answer` until the connection has ended. This is the fastest way to
    /// serve a connection whose answers need not wait for anything. A short message is borrowed
    /// from the read buffer; the stream would share it.
    ///
    /// While 64 KiB wait to be sent, no further message is begun. A message that has begun is
    /// continued: otherwise a peer that reads only after it has sent a whole message would deadlock
    /// with us. Cancel safe.
    ///
    /// # Errors
    ///
    /// The connection failed, or `answer` did.
    pub fn answer<E: From<ConnectionError>>(
        &mut self,
        mut answer: impl FnMut(MessageRef<'_>, &mut Answers<'_>) -> Result<(), E>,
    ) -> impl Future<Output = Result<(), E>> {
        poll_fn(move |cx| {
            self.poll_answer(
                cx,
                Session::receive_in_turns,
                |received, answers| match received {
                    Received::Borrowed(message) => answer(message, answers),
                    Received::Owned(message) => answer(message.into(), answers),
                },
            )
        })
    }

    /// The same as [`answer`](Self::answer), but messages of 256 KiB and more are passed on in
    /// pieces as they arrive. Each piece but the last has at least 256 KiB. Do not mix it with the
    /// stream within a message.
    ///
    /// The answers to the pieces of a message may be buffered until the peer reads;
    /// [`SessionConfig::max_message`](polysock_protocols::SessionConfig::max_message) bounds them.
    ///
    /// # Errors
    ///
    /// The same as for [`answer`](Self::answer).
    pub fn answer_pieces<E: From<ConnectionError>>(
        &mut self,
        mut answer: impl FnMut(PieceRef<'_>, &mut Answers<'_>) -> Result<(), E>,
    ) -> impl Future<Output = Result<(), E>> {
        poll_fn(move |cx| {
            self.poll_answer(
                cx,
                |session, src| session.receive_piece(src, LONG),
                |received, answers| match received {
                    Received::Borrowed(message) => answer(PieceRef::Message(message), answers),
                    Received::Owned(piece) => answer(PieceRef::Piece(piece), answers),
                },
            )
        })
    }

    /// Receives the next piece of a message. Nothing is assembled, so a message of any size passes
    /// through bounded memory. Otherwise it is like polling the stream; do not mix the two within a
    /// message.
    pub fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece, ConnectionError>>> {
        self.poll_receive(cx, |session, src| session.receive_piece(src, 0))
    }

    fn poll_receive<T>(
        &mut self,
        cx: &mut Context<'_>,
        receive: Receive<T>,
    ) -> Poll<Option<Result<T, ConnectionError>>> {
        loop {
            if let Some(received) = self.take(receive) {
                return Poll::Ready(Some(Ok(received)));
            }
            if let Progress::Ended(result) = ready!(self.poll_progress(cx)) {
                return Poll::Ready(result.err().map(Err));
            }
        }
    }

    #[inline]
    fn poll_answer<T, E: From<ConnectionError>>(
        &mut self,
        cx: &mut Context<'_>,
        receive: Receive<T>,
        mut answer: impl FnMut(Received<'_, T>, &mut Answers<'_>) -> Result<(), E>,
    ) -> Poll<Result<(), E>> {
        loop {
            if self.is_congested() && !self.session.is_receiving() {
                // An error is reported by `poll_progress` below.
                let _ = ready!(self.poll_drain(cx, HIGH_WATER - 1));
            }
            let stopped = self.take_each(receive, |received, answers| {
                let answered = answer(received, answers);
                if answered.is_err() || is_congested(answers.session) {
                    return ControlFlow::Break(answered);
                }
                ControlFlow::Continue(())
            });
            if let Some(answered) = stopped {
                answered?;
                continue;
            }
            if let Progress::Ended(result) = ready!(self.poll_progress(cx)) {
                return Poll::Ready(result.map_err(E::from));
            }
        }
    }

    /// Passes the messages that have already been read to `take` until it breaks. Returns the value
    /// that `take` breaks with; `None` if nothing is left.
    #[inline]
    fn take_each<T, B>(
        &mut self,
        receive: Receive<T>,
        mut take: impl FnMut(Received<'_, T>, &mut Answers<'_>) -> ControlFlow<B>,
    ) -> Option<B> {
        loop {
            let stopped =
                self.borrow_short(|message, answers| take(Received::Borrowed(message), answers));
            if stopped.is_some() {
                return stopped;
            }
            let received = self.take(receive)?;
            let session = &mut self.session;
            if let ControlFlow::Break(stopped) =
                take(Received::Owned(received), &mut Answers { session })
            {
                return Some(stopped);
            }
        }
    }

    /// Passes the short messages that have already been read to `take` until it breaks. Returns the
    /// value that `take` breaks with. `None` if something else comes next, or the peer broke the
    /// protocol: [`take`](Self::take) or the next poll distinguishes the two.
    #[inline]
    pub(super) fn borrow_short<B>(
        &mut self,
        mut take: impl FnMut(MessageRef<'_>, &mut Answers<'_>) -> ControlFlow<B>,
    ) -> Option<B> {
        let incoming = &mut self.io.incoming;
        if incoming.is_empty() {
            return None;
        }
        let stopped = self.session.receive_borrowed(incoming, |message, session| {
            take(message, &mut Answers { session })
        });
        let stopped = stopped.unwrap_or_else(|error| {
            self.fail(error);
            None
        });
        if self.io.incoming.is_empty() {
            self.io.has_unread = false;
        }
        stopped
    }

    /// Takes the next message or piece that has already been read.
    #[inline]
    pub(super) fn take<T>(&mut self, receive: Receive<T>) -> Option<T> {
        if !self.io.has_unread {
            return None;
        }
        let taken = receive(&mut self.session, &mut self.io.incoming).unwrap_or_else(|error| {
            self.fail(error);
            None
        });
        self.io.has_unread = taken.is_some();
        if taken.is_none() && self.session.is_paused() {
            self.io.end_share();
        }
        taken
    }
}

impl Stream for Connection {
    type Item = Result<Message, ConnectionError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        // Backpressure: answers must be written before more messages are decoded. (Pieces need no
        // such check: their answers come from elsewhere, and the code that forwards them waits for
        // room there.)
        if this.is_congested() {
            // An error is reported by `poll_receive` below.
            let _ = ready!(this.poll_drain(cx, HIGH_WATER - 1));
        }
        this.poll_receive(cx, Session::receive_in_turns)
    }
}
