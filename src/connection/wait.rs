//! The waiting of a connection for a shutdown, its timer and its clocks.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use polysock_protocols::{Close, CloseCode};

use super::clocks::ClockEvent;
use super::timer::ArmedTimer;
use super::{Connection, ShutdownSignal};
use crate::error::ConnectionError;

impl Connection {
    /// Begins to close the connection if a shutdown requests it.
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
            self.session.give_up(CloseCode::TRY_AGAIN_LATER.into());
            self.fail(ConnectionError::Overload);
        }
    }

    /// Waits for a shutdown request, while the connection is open.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(signal) = self.shutdown.as_ref().filter(|_| self.session.is_open()) else {
            return Poll::Pending;
        };
        if self.negotiated.is_signalled {
            return signal
                .close_requested()
                .map_or(Poll::Pending, |_| Poll::Ready(()));
        }
        self.negotiated.is_signalled = true;
        signal.poll_requested(cx).map(drop)
    }

    /// Waits for the clocks; ready when one of them required an action.
    #[inline]
    pub(super) fn poll_clocks(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.negotiated.rare.clocks().is_none() {
            return Poll::Pending;
        }
        self.poll_due(cx)
    }

    #[cold]
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.session.closed().is_some() {
            return Poll::Pending;
        }
        while let Some(clocks) = self.negotiated.rare.clocks_mut() {
            match ready!(clocks.poll_due(cx)) {
                ClockEvent::Age => {
                    let close = Close::new(CloseCode::GOING_AWAY, "maximum age reached");
                    self.session.close(Some(close));
                    return Poll::Ready(());
                }
                ClockEvent::Stall => {
                    let before = self.io.traffic().sent;
                    // The peer may have accepted bytes meanwhile.
                    let written = self.poll_write(cx);
                    if written.is_pending() && self.io.traffic().sent == before {
                        self.cut_stalled();
                        return Poll::Ready(());
                    }
                }
            }
        }
        Poll::Pending
    }

    /// Counts the time that the peer took to answer a ping, if it has just answered.
    #[inline]
    pub(super) fn time_pong(&mut self) {
        if self.session.take_pong() {
            self.count_pong();
        }
    }

    /// Counts the time since the running timer was armed, which is when the ping was sent.
    #[cold]
    fn count_pong(&self) {
        let timer = self.session.timer();
        if let (Some(row), Some(timer)) = (self.row(), timer) {
            // A timer that is not armed yet means an immediate answer.
            let armed = self.timer.as_ref();
            let took = armed.map_or(Duration::ZERO, |armed| armed.elapsed(timer));
            row.tally().pong(took);
        }
    }

    fn cut_stalled(&mut self) {
        let error = ConnectionError::Stalled;
        let close = Close::new(CloseCode::POLICY_VIOLATION, error.to_string());
        self.session.give_up(close);
        self.fail(error);
    }

    /// Waits for the timer, the clocks and a shutdown; ready when one of them required an action.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.take_stock() || self.poll_shutdown(cx).is_ready() || self.poll_clocks(cx).is_ready()
        {
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
