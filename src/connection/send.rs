//! Messages on their way out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_sink::Sink;
use polysock_protocols::{CloseCode, EncodeError, Message, Piece, Session};

use super::{Connection, HIGH_WATER, buffers};
use crate::error::ConnectionError;

impl Connection {
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
        self.io.reclaim();
        reserve_buffer(&mut self.session);
        &mut self.session
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    #[inline]
    pub(super) fn is_congested(&self) -> bool {
        is_congested(&self.session)
    }

    /// Whether something can be sent, or why not.
    #[inline]
    fn check_open(&self) -> Result<(), ConnectionError> {
        if self.io.is_up() && self.session.is_open() {
            Ok(())
        } else {
            Err(EncodeError::Closing.into())
        }
    }

    /// Writes out what waits, as far as there is room on the way.
    #[inline]
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let before = self.session.waiting();
        let written = self.io.poll_write(cx, self.session.outgoing());
        if written.is_pending() && self.session.waiting() < before {
            // One that takes a large message slowly may be silent meanwhile.
            self.session.peer_takes();
        }
        written
    }

    /// Writes until no more than `mark` bytes wait.
    pub(super) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        mark: usize,
    ) -> Poll<Result<(), ConnectionError>> {
        while self.session.waiting() > mark {
            self.close_if_requested();
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
        this.start_close(Some(CloseCode::NORMAL.into()));
        this.poll_ended(cx)
    }
}

/// Whether so much waits to go out that nothing more is taken in, nor on from elsewhere.
#[inline]
pub(super) fn is_congested(session: &Session) -> bool {
    session.waiting() >= HIGH_WATER
}

/// Sees to it that what is sent has a buffer to be copied into.
#[inline]
pub(super) fn reserve_buffer(session: &mut Session) {
    session.lend_buffer(buffers::take_write);
}
