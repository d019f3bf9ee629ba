//! What a connection waits for beside its peer: its timer, and a shutdown.

use std::mem::{Discriminant, discriminant};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use polysock_protocols::Timer;
use tokio::time::{Sleep, sleep};

use super::{Connection, ShutdownSignal};

#[derive(Debug)]
pub(super) struct ArmedTimer {
    /// Which timer: how long one takes never changes.
    kind: Discriminant<Timer>,
    sleep: Pin<Box<Sleep>>,
}

impl ArmedTimer {
    fn new(timer: Timer) -> Self {
        let (Timer::KeepAlive(duration) | Timer::Close(duration)) = timer;
        Self {
            kind: discriminant(&timer),
            sleep: Box::pin(sleep(duration)),
        }
    }
}

impl Connection {
    /// Begins to close the connection, if a shutdown asks for it.
    #[inline]
    pub(super) fn close_if_requested(&mut self) {
        let requested = self
            .shutdown
            .as_ref()
            .and_then(ShutdownSignal::close_requested);
        if let Some(code) = requested {
            self.session.close(Some(code.into()));
        }
    }

    /// Waits for a shutdown, as long as there is something to close.
    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.shutdown {
            Some(shutdown) if self.session.is_open() => shutdown.poll_requested(cx).map(drop),
            _ => Poll::Pending,
        }
    }

    /// Waits for the timer and a shutdown; ready when one of them had something to say.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_shutdown(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(timer) = self.session.timer() else {
            self.timer = None;
            return Poll::Pending;
        };
        let armed = match &mut self.timer {
            Some(armed) if armed.kind == discriminant(&timer) => armed,
            other => other.insert(ArmedTimer::new(timer)),
        };
        ready!(armed.sleep.as_mut().poll(cx));
        self.timer = None;
        if let Err(error) = self.session.handle_timeout() {
            self.fail(error);
        }
        Poll::Ready(())
    }
}
