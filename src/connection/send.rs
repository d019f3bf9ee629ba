//! Sending of messages.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_sink::Sink;
use polysock_protocols::{CloseCode, EncodeError, Message, Piece, Session, SharedMessage};

use super::{Connection, buffers};
use crate::error::ConnectionError;
use crate::transport::SharedWriter;

/// The number of bytes waiting to be sent from which no message is accepted or forwarded. A peer
/// that sends and never reads costs no more than this and one read.
pub(super) const HIGH_WATER: usize = 64 * 1024;

impl Connection {
    /// Sends a piece of a message, like [`Sink::start_send`].
    ///
    /// # Errors
    ///
    /// The protocol cannot carry the message, or the connection is closing.
    pub fn start_send_piece(&mut self, piece: Piece) -> Result<(), ConnectionError> {
        Ok(self.sending().send_piece(piece)?)
    }

    /// Sends a message that is shared with other connections.
    pub(crate) fn send_shared(&mut self, message: &SharedMessage) -> Result<(), EncodeError> {
        self.sending().send_shared(message)
    }

    /// Sends a ping of the application, in protocols that have pings.
    #[cfg(feature = "grip")]
    pub(crate) fn ping(&mut self, payload: bytes::Bytes) {
        self.sending().ping(payload);
    }

    /// Returns the number of bytes that are sent before a message that is queued now. `None` if no
    /// message may begin: the connection is closing, or is in the middle of a message sent in
    /// pieces.
    pub(crate) fn backlog(&self) -> Option<usize> {
        let may_begin = self.session.is_open() && !self.session.is_sending();
        may_begin.then(|| self.session.waiting())
    }

    /// Returns the counter of the messages that a subscription of this connection misses when its
    /// queue overflows in this way; `None` if the connection has no row.
    pub(crate) fn missed(&mut self, overflow: &'static str) -> Option<Arc<AtomicU64>> {
        self.row()?;
        Some(self.negotiated.rare.get_mut().log.missed(overflow))
    }

    /// Shares the writing half with publishers, who write whole messages to it from now on. `None`
    /// if it cannot be shared, or the connection has output of its own. The caller
    /// [reclaims](Self::reclaim_writer) it before it uses the connection in any other way.
    pub(crate) fn share_writer(&mut self) -> Option<Weak<SharedWriter>> {
        let has_nothing = self.backlog() == Some(0);
        let frames = self.session.writes().filter(|_| has_nothing)?;
        self.io.share_writer(frames)
    }

    /// Stops publishers from writing.
    pub(crate) fn reclaim_writer(&self) {
        self.io.reclaim_writer();
    }

    /// Writes buffered output, and begins to close on a shutdown request, while no task receives.
    pub(crate) fn poll_outgoing(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ConnectionError>> {
        if !self.is_task(cx) {
            return self.poll_as(cx, Self::poll_outgoing);
        }
        if self.poll_shutdown(cx).is_ready() {
            self.close_if_requested();
        }
        self.poll_drain(cx, 0)
    }

    /// Returns the session, with a buffer to send into.
    pub(super) fn sending(&mut self) -> &mut Session {
        reserve_buffer(&mut self.session);
        &mut self.session
    }

    pub(super) fn is_congested(&self) -> bool {
        is_congested(&self.session)
    }

    /// Returns an error if nothing can be sent.
    fn check_open(&self) -> Result<(), ConnectionError> {
        if self.io.is_up() && self.session.is_open() {
            Ok(())
        } else {
            Err(EncodeError::Closing.into())
        }
    }

    /// Writes buffered output until the transport accepts no more.
    #[inline]
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let before = self.session.waiting();
        let written = self.io.poll_write(cx, self.session.outgoing());
        if written.is_pending() {
            self.wait_for_room(cx, before);
        }
        written
    }

    /// Waits until the peer accepts more bytes. `before` is the number that waited before the
    /// write.
    #[cold]
    fn wait_for_room(&mut self, cx: &mut Context<'_>, before: usize) {
        if self.session.waiting() < before {
            // A peer that takes a large message slowly may be silent meanwhile.
            self.session.record_progress();
        }
        if self.is_task(cx) {
            return self.note_wait();
        }
        let again = self.poll_as(cx, Self::poll_write);
        if again.is_ready() {
            // The next poll sees the result.
            cx.waker().wake_by_ref();
        }
    }

    /// Records that the peer does not accept all output.
    fn note_wait(&mut self) {
        if let Some(row) = self.row() {
            row.tally().pauses.fetch_add(1, Ordering::Relaxed);
        }
        let negotiated = &mut *self.negotiated;
        if negotiated.send_timeout > 0 {
            let timeout = Duration::from_millis(negotiated.send_timeout.into());
            let clocks = negotiated.rare.clocks_or_new();
            clocks.note_wait(self.io.traffic().sent, timeout);
        }
    }

    /// Writes until at most `mark` bytes wait. With a `mark` of zero, everything is flushed.
    pub(super) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        mark: usize,
    ) -> Poll<Result<(), ConnectionError>> {
        while self.session.waiting() > mark || (mark == 0 && self.session.outgoing().is_allocated())
        {
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
                Poll::Pending if mark > 0 && self.session.waiting() <= mark => {}
                // A peer that neither reads nor answers pings times out here as well.
                Poll::Pending if self.is_task(cx) => ready!(self.poll_wait(cx)),
                Poll::Pending => ready!(self.poll_as(cx, Self::poll_wait)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Sink<Message> for Connection {
    type Error = ConnectionError;

    /// Ready while less than 64 KiB wait to be sent.
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let this = self.get_mut();
        this.check_open()?;
        if !this.is_congested() {
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

    /// Closes with code 1000 and waits for the peer, like [`Connection::close`].
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let this = self.get_mut();
        this.start_close(Some(CloseCode::NORMAL.into()));
        this.poll_ended(cx)
    }
}

/// True if so much output waits that no more messages are accepted or forwarded.
pub(super) fn is_congested(session: &Session) -> bool {
    session.waiting() >= HIGH_WATER
}

/// Ensures that the session has a buffer to copy messages into.
#[inline]
pub(super) fn reserve_buffer(session: &mut Session) {
    session.reserve_buffer(buffers::take_write);
}
