//! The shortest application: it returns every message to its sender.
//!
//! `cargo run --example echo`, then connect any WebSocket client to `ws://127.0.0.1:8080/`.

use futures_util::{SinkExt, StreamExt};
use polysock::{Accept, BoxError, Gateway, Handshake};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let echo = |handshake: Handshake| async move {
        let mut connection = handshake.accept(Accept::default()).await?;
        while let Some(message) = connection.next().await.transpose()? {
            connection.send(message).await?;
        }
        Ok(())
    };
    Ok(Gateway::new(echo).listen("127.0.0.1:8080").await?)
}
