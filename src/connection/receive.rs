//! Messages on their way in: as a stream, borrowed where they were read, or in pieces.

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

/// A message of this many bytes is answered in pieces. So large that what is answered to most
/// messages does not depend on how they were cut on their way.
const LONG: usize = 256 * 1024;

/// Where the answers to a message go, for [`Connection::answer`].
#[derive(Debug)]
pub struct Answers<'a> {
    session: &'a mut Session,
}

impl Answers<'_> {
    /// Sends a message; it leaves together with the other answers to what one read has brought.
    ///
    /// # Errors
    ///
    /// The protocol cannot carry it, or the connection is closing.
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<MessageRef<'m>>) -> Result<(), EncodeError> {
        reserve_buffer(self.session);
        self.session.send_ref(message.into())
    }

    /// Sends a piece of a message; the next must be of the same message until its end.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[inline]
    pub fn send_piece(&mut self, piece: PieceRef<'_>) -> Result<(), EncodeError> {
        reserve_buffer(self.session);
        match piece {
            PieceRef::Message(message) => self.session.send_ref(message),
            PieceRef::Piece(piece) => self.send_owned_piece(piece),
        }
    }

    /// Out of line, so that what is done for each short message is short.
    #[inline(never)]
    fn send_owned_piece(&mut self, piece: Piece) -> Result<(), EncodeError> {
        self.session.send_piece(piece)
    }

    /// Begins to close the connection. Messages may still come until it has ended.
    pub fn start_close(&mut self, close: Option<Close>) {
        self.session.close(close);
    }
}

/// The next of what a connection has read.
enum Received<'a, T> {
    /// A whole short message, where it was read.
    Borrowed(MessageRef<'a>),
    /// Anything else.
    Owned(T),
}

/// How a session takes something off what was read.
type Receive<T> = fn(&mut Session, &mut BytesMut) -> Result<Option<T>, ProtocolError>;

impl Connection {
    /// Hands each message to `answer` until the connection has ended: the fastest way to serve
    /// one whose answers need not wait for anything. A short message is borrowed from where it was
    /// read; the stream would share it.
    ///
    /// While 64 KiB wait to go out, no further message is begun. One that has begun goes on, or a
    /// peer that reads only when it has sent a whole message would wait for us, as we for it.
    /// Cancel safe.
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

    /// Like [`answer`](Self::answer), with messages of 256 KiB and more in pieces that are no
    /// shorter, but for the last, as they come. Do not mix it with the stream within a message.
    ///
    /// The answers to the pieces of a message may wait here until the peer reads;
    /// [`SessionConfig::max_message`](polysock_protocols::SessionConfig::max_message) bounds them.
    ///
    /// # Errors
    ///
    /// As [`answer`](Self::answer).
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

    /// Receives the next piece of a message: nothing is assembled, so a message of any size passes
    /// through bounded memory. Otherwise like polling the stream; do not mix the two within a
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
                // The receiver is told below of an error.
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

    /// Hands on what has been read already until `take` breaks, and returns what it breaks with;
    /// `None` once nothing is left.
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

    /// Hands on the short messages that have been read already until `take` breaks, and returns
    /// what it breaks with. `None` where something else comes next, or the peer broke the
    /// protocol: [`take`](Self::take) or the next poll says which.
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

    /// Takes the next of what has been read already.
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
        // Backpressure: answers must be on their way before more questions are looked at. (Not so
        // for pieces, whose answers come from elsewhere: whoever moves them on waits for room there.)
        if this.is_congested() {
            // The receiver is told below of an error.
            let _ = ready!(this.poll_drain(cx, HIGH_WATER - 1));
        }
        this.poll_receive(cx, Session::receive_in_turns)
    }
}
