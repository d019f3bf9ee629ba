//! Polysock as a library dependency. `cargo run` in this folder: a client is relayed to an upstream
//! in the same process; the session is captured, and then replayed.

mod relay;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use polysock::protocols::Dial;
use polysock::upstream::{UpstreamSettings, WebSocketUpstream};
use polysock::{BoxError, Drained, Gateway, Message};
use polysock_instrument::transcript::Fixture;
use polysock_instrument::{CaptureSettings, CaptureWriter, Replay};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::relay::{Parrot, Relay};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let directory = std::env::temp_dir().join(format!("polysock-library-{}", std::process::id()));
    let done = capture_and_replay(&directory).await;
    std::fs::remove_dir_all(&directory)?;
    done
}

/// Captures a session while it is served, and replays it against a second gateway of the same kind.
async fn capture_and_replay(directory: &Path) -> Result<(), BoxError> {
    let captures = CaptureWriter::open(directory, CaptureSettings::default())?;
    let tap = captures.clone();
    let gateway = Gateway::new(Relay(Arc::new(Parrot)));
    let tapped = gateway
        .clone()
        .with_tap(move |stream, peer| tap.tap(stream, peer));
    let server = Server::start(tapped).await?;
    let url = format!("ws+hybi10://{}", server.address);
    let upstream = WebSocketUpstream::parse(&url, UpstreamSettings::default())?;
    let mut client = upstream.dial(Dial::default()).await?;
    client.send(Message::binary("hello")).await?;
    let heard = client
        .next()
        .await
        .transpose()?
        .ok_or("nothing was heard")?;
    assert_eq!(heard.as_bytes(), b"hello");
    client.close(None).await?;
    server.stop().await?;
    captures.finish();

    let server = Server::start(gateway).await?;
    for file in std::fs::read_dir(directory)? {
        let fixture = Fixture::read(&file?.path())?;
        let verdict = Replay::default().against(&fixture, &server.address).await;
        println!(
            "{}: {verdict:?}",
            fixture.transcript.header("protocol").unwrap_or("unknown")
        );
    }
    server.stop().await
}

/// A gateway that serves until it is stopped.
struct Server {
    address: String,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Drained>,
}

impl Server {
    async fn start(gateway: Gateway) -> Result<Self, BoxError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        let serving = tokio::spawn(gateway.serve(listener, stopped, Duration::from_secs(5)));
        Ok(Self {
            address,
            stop,
            serving,
        })
    }

    async fn stop(self) -> Result<(), BoxError> {
        let _ = self.stop.send(());
        assert_eq!(self.serving.await?.cut, 0);
        Ok(())
    }
}
