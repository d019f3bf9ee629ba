//! What a connection waits for beside its peer: a shutdown, and its timer.

use std::task::{Context, Poll, ready};

use polysock_protocols::CloseCode;

use super::timer::ArmedTimer;
use super::{Connection, ShutdownSignal};
use crate::error::ConnectionError;

impl Connection {
    /// Begins to close the connection, if a shutdown asks for it.
    pub(super) fn close_if_requested(&mut self) {
        let signal = self.shutdown.as_ref();
        if let Some(code) = signal.and_then(ShutdownSignal::close_requested) {
            self.close_with(code);
        }
    }

    #[cold]
    fn close_with(&mut self, code: CloseCode) {
        if code != CloseCode::TRY_AGAIN_LATER {
            self.session.close(Some(code.into()));
        } else if self.session.closed().is_none() {
            self.session.shed();
            self.fail(ConnectionError::Overload);
        }
    }

    /// Waits for a shutdown, as long as there is something to close.
    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.shutdown {
            Some(signal) if self.session.is_open() => signal.poll_requested(cx).map(drop),
            _ => Poll::Pending,
        }
    }

    /// Waits for the timer and a shutdown; ready when one of them had something to say.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.take_stock() || self.poll_shutdown(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(timer) = self.session.timer() else {
            self.timer = None;
            return Poll::Pending;
        };
        ready!(ArmedTimer::poll(&mut self.timer, timer, cx));
        self.timer = None;
        if let Err(error) = self.session.handle_timeout() {
            self.fail(error);
        }
        Poll::Ready(())
    }
}
