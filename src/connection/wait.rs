//! What a connection waits for beside its peer: its timer, and being asked to close. What others do
//! meanwhile.

use std::mem::{Discriminant, discriminant};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};

use polysock_protocols::{Close, Timer};
use tokio::time::Sleep;

use super::Connection;
use crate::outlet::Outlet;

#[derive(Debug)]
pub(super) struct ArmedTimer {
    /// Which timer: how long one takes never changes.
    kind: Discriminant<Timer>,
    sleep: Pin<Box<Sleep>>,
}

impl Connection {
    /// Lends the way out to those who publish, until this connection is asked for something again.
    /// `None` where that cannot be, or is so already.
    pub(crate) fn lend_outlet(&mut self) -> Option<Weak<Outlet>> {
        let session = &self.session;
        let has_nothing = session.is_open() && !session.is_sending() && session.waiting() == 0;
        let frames = session.writes().filter(|_| has_nothing)?;
        self.link.lend_outlet(frames)
    }

    #[inline]
    pub(super) fn heed_closer(&mut self) {
        if !self.has_heeded && self.closer.is_requested() {
            self.heed();
        }
    }

    #[cold]
    fn heed(&mut self) {
        self.has_heeded = true;
        // A closer wakes a waker once.
        self.waker = None;
        self.session.close(self.closer.requested().map(Close::from));
    }

    /// Waits for the timer and the closer; ready when one of them had something to say.
    #[inline]
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let same = |waker: &Waker| waker.will_wake(cx.waker());
        let armed = self.timer.as_ref().map(|armed| armed.kind);
        let is_waiting = self.waker.as_ref().is_some_and(same)
            && self.session.timer().map(|timer| discriminant(&timer)) == armed;
        if is_waiting && !self.closer.has_rung() {
            return Poll::Pending;
        }
        self.poll_wait_anew(cx)
    }

    fn poll_wait_anew(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.waker = Some(cx.waker().clone());
        self.closer.register(cx.waker());
        if !self.has_heeded && self.closer.is_requested() {
            return Poll::Ready(());
        }
        let Some(timer) = self.session.timer() else {
            self.timer = None;
            return Poll::Pending;
        };
        let kind = discriminant(&timer);
        let armed = match &mut self.timer {
            Some(armed) if armed.kind == kind => {
                if !self.closer.take_ring() {
                    return Poll::Pending;
                }
                armed
            }
            other => {
                let (Timer::KeepAlive(duration) | Timer::Close(duration)) = timer;
                let sleep = Box::pin(tokio::time::sleep(duration));
                other.insert(ArmedTimer { kind, sleep })
            }
        };
        // Again: what rang has taken the waker.
        self.closer.register(cx.waker());
        let ring = Waker::from(Arc::clone(&self.closer));
        let cx = &mut Context::from_waker(&ring);
        ready!(armed.sleep.as_mut().poll(cx));
        self.timer = None;
        if let Err(error) = self.session.handle_timeout() {
            self.fail(error);
        }
        Poll::Ready(())
    }
}
