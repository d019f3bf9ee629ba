//! An application that has a handshake to answer.

use std::future::{poll_fn, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::time::{Sleep, sleep};

use crate::connection::ShutdownSignal;
use crate::error::BoxError;

/// An application at work on a connection.
pub(crate) struct Answering {
    /// Whose it is.
    pub(crate) client: Option<SocketAddr>,
    pub(crate) work: BoxFuture<'static, Result<(), BoxError>>,
}

/// An application that has a handshake to answer.
pub(crate) struct Unanswered {
    pub(super) answering: Answering,
    /// That of the connection.
    pub(super) signal: ShutdownSignal,
    /// How long it has.
    pub(super) timeout: Duration,
}

impl Unanswered {
    /// Waits for the answer, and returns what is left to do then. An application that takes too long is
    /// dropped, and its client is told so.
    pub(crate) async fn answered(self) -> Answering {
        let Self {
            mut answering,
            signal,
            timeout,
        } = self;
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        let ended = poll_fn(|cx| {
            if let Poll::Ready(ended) = answering.work.as_mut().poll(cx) {
                return Poll::Ready(Some(ended));
            }
            if signal.is_answered() {
                return Poll::Ready(None);
            }
            let timer = timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
            timer.as_mut().poll(cx).map(|()| {
                signal.note_late();
                Some(Ok(()))
            })
        });
        if let Some(ended) = ended.await {
            answering.work = Box::pin(ready(ended));
        }
        answering
    }
}
