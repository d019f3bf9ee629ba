//! `echo-tungstenite ADDR [send]`: an echo of tokio-tungstenite. As the example of its repository
//! writes it, answers are forwarded and flushed when there is nothing more to read; with `send`, each
//! is sent, and so flushed, by itself.

use std::{env, future, io};

use futures_util::{SinkExt, StreamExt, TryStreamExt};
use polysock_bench_peers::{BoxError, listen};
use tokio::net::TcpStream;
use tokio_tungstenite::accept_async;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    if env::args().nth(2).as_deref() == Some("send") {
        listen(send).await
    } else {
        listen(forward).await
    }
}

async fn forward(stream: TcpStream) -> Result<(), BoxError> {
    let (write, read) = accept_async(stream).await?.split();
    read.try_filter(|message| future::ready(message.is_text() || message.is_binary()))
        .forward(write)
        .await?;
    Ok(())
}

async fn send(stream: TcpStream) -> Result<(), BoxError> {
    let mut connection = accept_async(stream).await?;
    while let Some(message) = connection.next().await.transpose()? {
        if message.is_text() || message.is_binary() {
            connection.send(message).await?;
        }
    }
    Ok(())
}
