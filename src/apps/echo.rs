//! Sends every message back.

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
    connection
        .answer(|message, answers| Ok(answers.send(message)?))
        .await
}
