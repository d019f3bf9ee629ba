//! A future that ends a connection after its admission.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::future::BoxFuture;
use polysock_protocols::CloseCode;

use crate::connection::ShutdownSignal;
use crate::error::BoxError;

/// A future that runs while a connection is open, and closes it when the client is no longer
/// admitted: a session has ended, an account is locked.
///
/// The future runs in the task of the connection, and is dropped with it.
pub struct Watch {
    end: BoxFuture<'static, CloseCode>,
}

impl Watch {
    /// Creates a watch that closes the connection as soon as `end` is ready, with the code that
    /// `end` returns or its equivalent in the protocol of the connection.
    pub fn new(end: impl Future<Output = CloseCode> + Send + 'static) -> Self {
        Self { end: Box::pin(end) }
    }

    /// Adds this watch to an application that serves a connection.
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

/// A running application whose connection is watched.
struct Watched {
    /// `None` once the watch has fired.
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
            // An earlier request to close takes precedence.
            if self.connection.close_requested().is_none() {
                self.connection.request(code);
            }
        }
        self.serving.as_mut().poll(cx)
    }
}
