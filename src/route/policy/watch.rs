//! What ends a connection that was let in.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::future::BoxFuture;
use polysock_protocols::CloseCode;

use crate::connection::ShutdownSignal;
use crate::error::BoxError;

/// Looks on while a connection is open, and ends it where who let it in has changed their mind: a session is
/// over, an account is locked.
///
/// It runs in the task of the connection, and is dropped with it.
pub struct Watch {
    end: BoxFuture<'static, CloseCode>,
}

impl Watch {
    /// Closes the connection once this is ready, with this code, or its like in the protocol of the
    /// connection.
    pub fn new(end: impl Future<Output = CloseCode> + Send + 'static) -> Self {
        Self { end: Box::pin(end) }
    }

    /// What is done with a connection, watched.
    pub(crate) fn over(
        self,
        serving: BoxFuture<'static, Result<(), BoxError>>,
        connection: ShutdownSignal,
    ) -> BoxFuture<'static, Result<(), BoxError>> {
        Box::pin(Watched {
            end: Some(self.end),
            serving,
            connection,
        })
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// An application at work on a connection that is watched.
struct Watched {
    /// `None` once the connection was asked to close.
    end: Option<BoxFuture<'static, CloseCode>>,
    serving: BoxFuture<'static, Result<(), BoxError>>,
    connection: ShutdownSignal,
}

impl Future for Watched {
    type Output = Result<(), BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(end) = &mut self.end
            && let Poll::Ready(code) = end.as_mut().poll(cx)
        {
            self.end = None;
            // What it was asked for before counts.
            if self.connection.close_requested().is_none() {
                self.connection.request(code);
            }
        }
        self.serving.as_mut().poll(cx)
    }
}
