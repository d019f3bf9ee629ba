//! The trait of applications, which serve connections.

use std::future::Future;

use futures_core::future::BoxFuture;

use crate::error::BoxError;
use crate::handshake::Handshake;

/// A handler of connections. Asynchronous closures and functions over a [`Handshake`] are
/// applications:
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
/// use polysock::{Accept, Application, BoxError, Handshake};
///
/// async fn shout(handshake: Handshake) -> Result<(), BoxError> {
///     let mut connection = handshake.accept(Accept::default()).await?;
///     while let Some(message) = connection.next().await.transpose()? {
///         if let Some(text) = message.as_text() {
///             connection.send(text.to_uppercase().into()).await?;
///         }
///     }
///     Ok(())
/// }
/// # fn is_application(_: impl Application) {}
/// # is_application(shout);
/// ```
pub trait Application: Send + Sync + 'static {
    /// Serves one connection, from its opening handshake to its end. The application may await
    /// anything before it answers the handshake, up to the handshake timeout.
    ///
    /// An error is logged. The peer sees only what was done with the connection.
    fn serve(&self, handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>>;
}

impl<F, S> Application for F
where
    F: Fn(Handshake) -> S + Send + Sync + 'static,
    S: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    fn serve(&self, handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        Box::pin(self(handshake))
    }
}
