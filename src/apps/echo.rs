//! Sends every message back, a long one while it comes.

use polysock_protocols::Accept;

use crate::error::BoxError;
use crate::handshake::Handshake;

/// The application of `polysock serve --app echo`. Its answers need not wait for anything, so
/// [`Connection::answer_pieces`](crate::Connection::answer_pieces) is the fastest way; the simplest
/// is the loop in the documentation of [`Application`](crate::Application).
///
/// # Errors
///
/// The connection failed.
pub async fn echo(handshake: Handshake) -> Result<(), BoxError> {
    let accept = Accept::first_offered(handshake.request());
    let mut connection = handshake.accept(accept).await?;
    connection
        .answer_pieces(|piece, answers| Ok(answers.send_piece(piece)?))
        .await
}
