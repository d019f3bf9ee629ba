//! Messages that are lent, for those who answer them at once.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use polysock_protocols::{Close, EncodeError, MessageRef, Piece, PieceRef, Session};

use super::{Connection, HIGH_WATER, Receive};
use crate::buffers;
use crate::error::ConnectionError;

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
        lend_buffer(self.session);
        self.session.send_ref(message.into())
    }

    /// Sends a piece of a message; the next must be of the same message until its end.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[inline]
    pub fn send_piece(&mut self, piece: PieceRef<'_>) -> Result<(), EncodeError> {
        lend_buffer(self.session);
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

/// A message of this many bytes is answered in pieces. So large that what is answered to most
/// messages does not depend on how they were cut on their way.
const LONG: usize = 256 * 1024;

/// What [`Connection::poll_answer`] has taken of what was read.
enum Taken<'a, T> {
    /// A short message.
    Lent(MessageRef<'a>),
    /// What else there was.
    Received(T),
}

impl Connection {
    /// Hands each message to `answer` until the connection has ended: the fastest way to serve
    /// one whose answers need not wait for anything. A short message is lent, where the stream
    /// would share it.
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
            self.poll_answer(cx, Session::receive, |taken, answers| match taken {
                Taken::Lent(message) => answer(message, answers),
                Taken::Received(message) => answer(message.into(), answers),
            })
        })
    }

    /// Like [`answer`](Self::answer), with messages of 256 KiB and more in pieces that are no
    /// shorter, but for the last, as they come. Do not mix it with the stream within a message.
    ///
    /// What the pieces of a message are answered with may wait here until the peer reads;
    /// [`Settings::max_message`](crate::Settings) bounds it.
    ///
    /// # Errors
    ///
    /// As [`answer`](Self::answer).
    pub fn answer_pieces<E: From<ConnectionError>>(
        &mut self,
        mut answer: impl FnMut(PieceRef<'_>, &mut Answers<'_>) -> Result<(), E>,
    ) -> impl Future<Output = Result<(), E>> {
        poll_fn(move |cx| {
            let long = |session: &mut Session, src: &mut BytesMut| session.receive_piece(src, LONG);
            self.poll_answer(cx, long, |taken, answers| match taken {
                Taken::Lent(message) => answer(PieceRef::Message(message), answers),
                Taken::Received(piece) => answer(PieceRef::Piece(piece), answers),
            })
        })
    }

    #[inline]
    fn poll_answer<T, E: From<ConnectionError>>(
        &mut self,
        cx: &mut Context<'_>,
        receive: Receive<T>,
        mut answer: impl FnMut(Taken<'_, T>, &mut Answers<'_>) -> Result<(), E>,
    ) -> Poll<Result<(), E>> {
        self.link.take_back();
        loop {
            if self.is_congested() && !self.session.is_receiving() {
                // What went wrong is for the receiver to say.
                let _ = ready!(self.poll_drain(cx, HIGH_WATER - 1));
            }
            let stopped = self.lend_short(|message, answers| {
                let answered = answer(Taken::Lent(message), answers);
                if answered.is_err() || is_congested(answers.session) {
                    return ControlFlow::Break(answered);
                }
                ControlFlow::Continue(())
            });
            if let Some(stopped) = stopped {
                stopped?;
                continue;
            }
            if let Some(received) = self.take(receive) {
                let session = &mut self.session;
                answer(Taken::Received(received), &mut Answers { session })?;
            } else if let Some(ended) = ready!(self.poll_more(cx)) {
                return Poll::Ready(ended.map_err(E::from));
            }
        }
    }

    /// Lends the short messages that have been read already, until `take` breaks off; what it
    /// breaks off with. `None` where something else comes next, or the peer broke the protocol:
    /// the next poll says what.
    #[inline]
    pub(crate) fn lend_short<T>(
        &mut self,
        mut take: impl FnMut(MessageRef<'_>, &mut Answers<'_>) -> ControlFlow<T>,
    ) -> Option<T> {
        let incoming = &mut self.link.incoming;
        if incoming.is_empty() {
            return None;
        }
        let lent = self.session.receive_borrowed(incoming, |message, session| {
            take(message, &mut Answers { session })
        });
        let stopped = lent.unwrap_or_else(|error| {
            self.fail(error);
            None
        });
        if self.link.incoming.is_empty() {
            self.has_unread = false;
        }
        stopped
    }

    /// Takes the next piece of a message, if it has been read already.
    pub(crate) fn take_piece(&mut self) -> Option<Piece> {
        self.take(|session, src| session.receive_piece(src, 0))
    }

    /// Sends what another connection lends; says whether to go on with it.
    #[inline]
    pub(crate) fn send_lent(
        &mut self,
        message: MessageRef<'_>,
    ) -> ControlFlow<Result<(), ConnectionError>> {
        match self.sending().send_ref(message) {
            Ok(()) if self.is_congested() => ControlFlow::Break(Ok(())),
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Err(error.into())),
        }
    }
}

/// Whether so much waits to go out that no message is to be taken in or on.
#[inline]
pub(super) fn is_congested(session: &Session) -> bool {
    session.waiting() >= HIGH_WATER
}

/// Sees to it that what is to be sent has a buffer to be copied into.
#[inline]
pub(super) fn lend_buffer(session: &mut Session) {
    session.reserve_buffer(buffers::take_write);
}
