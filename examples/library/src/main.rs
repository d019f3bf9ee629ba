//! What a stranger does with Polysock. `cargo run` in this folder: a client talks through a relay to
//! an upstream in the same process; the session is captured, and then replayed against the same port.

mod relay;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use polysock::protocols::Dial;
use polysock::upstream::{UpstreamSettings, WebSocketUpstream};
use polysock::{BoxError, Gateway};
use polysock_instrument::transcript::Fixture;
use polysock_instrument::{CaptureSettings, CaptureWriter, Replay};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::relay::{Relay, Shouter};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let directory = std::env::temp_dir().join(format!("polysock-library-{}", std::process::id()));
    let done = capture_and_replay(&directory).await;
    std::fs::remove_dir_all(&directory)?;
    done
}

async fn capture_and_replay(directory: &Path) -> Result<(), BoxError> {
    let captures = CaptureWriter::open(directory, CaptureSettings::default())?;
    let tap = captures.clone();
    let gateway = Gateway::new(Relay(Arc::new(Shouter)))
        .with_tap(move |stream, peer| tap.tap(stream, peer));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let serving = tokio::spawn(gateway.serve(listener, stopped, Duration::from_secs(5)));

    let server = WebSocketUpstream::parse("hybi-10", &address, UpstreamSettings::default())?;
    let mut client = server.dial(Dial::default()).await?;
    client.send("hello".into()).await?;
    let heard = client.next().await.transpose()?.ok_or("nothing was heard")?;
    assert_eq!(heard.as_bytes(), b"HELLO");
    client.close(None).await?;
    captures.finish();

    for file in std::fs::read_dir(directory)? {
        let fixture = Fixture::read(&file?.path())?;
        let verdict = Replay::default().against(&fixture, &address).await;
        println!("{}: {verdict:?}", fixture.transcript.header("protocol").unwrap_or_default());
    }
    let _ = stop.send(());
    serving.await?;
    Ok(())
}
