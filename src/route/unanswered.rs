//! An application that has to answer a handshake.

use std::future::{poll_fn, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::time::{Sleep, sleep};

use crate::connection::ShutdownSignal;
use crate::error::BoxError;

/// A running application on a connection.
pub(crate) struct Answering {
    /// The address of the client; `None` if it has none.
    pub(crate) client: Option<SocketAddr>,
    pub(crate) work: BoxFuture<'static, Result<(), BoxError>>,
}

/// A running application that has not yet answered its handshake.
pub(crate) struct Unanswered {
    pub(super) answering: Answering,
    /// The signal of the connection.
    pub(super) signal: ShutdownSignal,
    /// The time within which the application must answer.
    pub(super) timeout: Duration,
}

impl Unanswered {
    /// Waits for the answer, and returns the rest of the work. An application that takes too long
    /// is dropped, and its client receives 504.
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
