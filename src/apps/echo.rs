//! Sends every message back.

use futures_util::{SinkExt, StreamExt};
use polysock_protocols::Accept;

use crate::error::BoxError;
use crate::handshake::Handshake;

/// The application of `polysock serve --app echo`.
///
/// # Errors
///
/// The connection failed.
pub async fn echo(handshake: Handshake) -> Result<(), BoxError> {
    let accept = Accept::first_offered(handshake.request());
    let mut connection = handshake.accept(accept).await?;
    while let Some(message) = connection.next().await.transpose()? {
        // Fed, not sent: the answers to all messages of one read leave in one write.
        connection.feed(message).await?;
    }
    Ok(())
}
