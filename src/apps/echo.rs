//! The echo application: sends every message back, a long one in pieces as they arrive.

use polysock_protocols::Accept;

use crate::error::BoxError;
use crate::handshake::Handshake;

/// The application of `polysock serve --app echo`.
///
/// An echo never waits for anything but its client, so
/// [`Connection::answer_pieces`](crate::Connection::answer_pieces) is the fastest way to write it.
/// The simplest way is the loop in the documentation of [`Application`](crate::Application).
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
