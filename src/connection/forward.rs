//! Forwarding of messages from one connection to another.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_sink::Sink;
use polysock_protocols::{EncodeError, MessageRef};

use super::send::is_congested;
use super::{Connection, Progress};
use crate::error::ConnectionError;

/// The result of [`Connection::poll_forward`].
#[derive(Debug)]
pub enum Forwarded {
    /// The connection that was received from has ended: properly, or with an error.
    SourceEnded(Result<(), ConnectionError>),
    /// The connection that was sent to accepts no more messages: it is closing, or has failed.
    TargetEnded(ConnectionError),
    /// The source has sent a message that the target cannot carry. Both connections are still open.
    Undeliverable(EncodeError),
}

impl Connection {
    /// Forwards the messages of this connection to another until one of the two has ended. Messages
    /// are forwarded whole, or in pieces as they arrive. While the target does not read, this
    /// connection is not read, so a message of any size passes through bounded memory.
    ///
    /// A relay polls both directions from one task:
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::task::Poll;
    ///
    /// use polysock::{Connection, Forwarded};
    ///
    /// /// Joins two connections until one of them ends; whether that was the first.
    /// async fn join(one: &mut Connection, two: &mut Connection) -> (bool, Forwarded) {
    ///     poll_fn(|cx| {
    ///         if let Poll::Ready(end) = one.poll_forward(two, cx) {
    ///             return Poll::Ready((true, end));
    ///         }
    ///         two.poll_forward(one, cx).map(|end| (false, end))
    ///     })
    ///     .await
    /// }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: all state is in the two connections.
    pub fn poll_forward(&mut self, target: &mut Self, cx: &mut Context<'_>) -> Poll<Forwarded> {
        loop {
            match Pin::new(&mut *target).poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Forwarded::TargetEnded(error)),
                Poll::Pending => return self.poll_unread(cx),
            }
            match self.borrow_short(|message, _| target.pass_on(message)) {
                Some(Ok(())) => continue,
                Some(Err(error)) => return Poll::Ready(Forwarded::Undeliverable(error)),
                None => {}
            }
            if let Some(piece) = self.take(|session, src| session.receive_piece(src, 0)) {
                if let Err(error) = target.sending().send_piece(piece) {
                    return Poll::Ready(Forwarded::Undeliverable(error));
                }
                continue;
            }
            match self.poll_progress(cx) {
                Poll::Ready(Progress::Again) => {}
                Poll::Ready(Progress::Ended(result)) => {
                    return Poll::Ready(Forwarded::SourceEnded(result));
                }
                Poll::Pending => {
                    if let Poll::Ready(Err(error)) = Pin::new(&mut *target).poll_flush(cx) {
                        return Poll::Ready(Forwarded::TargetEnded(error));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Waits while the target has no room. This connection is not read meanwhile, so its peer may
    /// be silent. A shutdown or the maximum age still closes it.
    #[cold]
    fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<Forwarded> {
        if !self.is_task(cx) {
            return self.poll_as(cx, Self::poll_unread);
        }
        if self.poll_shutdown(cx).is_pending() && self.poll_clocks(cx).is_pending() {
            return Poll::Pending;
        }
        self.close_if_requested();
        Poll::Ready(Forwarded::SourceEnded(Err(EncodeError::Closing.into())))
    }

    /// Sends a message that another connection has received; breaks if no more may be taken there.
    fn pass_on(&mut self, message: MessageRef<'_>) -> ControlFlow<Result<(), EncodeError>> {
        let session = self.sending();
        let sent = session.send_ref(message);
        if sent.is_err() || is_congested(session) {
            return ControlFlow::Break(sent);
        }
        ControlFlow::Continue(())
    }
}
