//! `echo-tungstenite ADDR [send]`: an echo server with tokio-tungstenite. Like the example in its
//! repository, it forwards answers and flushes them when there is nothing more to read. With
//! `send`, it sends and flushes each answer separately.

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
