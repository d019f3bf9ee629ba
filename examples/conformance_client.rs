//! An echo client that runs the cases of an Autobahn fuzzing server; used by `tests/conformance`.
//!
//! `cargo run --example conformance_client -- 127.0.0.1:9001`

use polysock::protocols::Dial;
use polysock::upstream::{UpstreamSettings, WebSocketUpstream};
use polysock::{BoxError, Compression, Connection};

const AGENT: &str = "polysock";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let server = std::env::args().nth(1).ok_or("HOST:PORT is missing")?;
    let mut cases = 0;
    dial(&server, "/getCaseCount")
        .await?
        .answer(|count, _| {
            cases = count.as_text().unwrap_or_default().parse()?;
            Ok::<_, BoxError>(())
        })
        .await?;
    for case in 1..=cases {
        let path = format!("/runCase?case={case}&agent={AGENT}");
        let mut connection = dial(&server, &path).await?;
        let echoed = connection
            .answer(|message, answers| Ok::<_, BoxError>(answers.send(message)?))
            .await;
        // Many cases break the protocol, and the server checks that the client rejects them.
        if let Err(error) = echoed {
            eprintln!("case {case}: {error}");
        }
    }
    let report = format!("/updateReports?agent={AGENT}");
    Ok(dial(&server, &report).await?.close(None).await?)
}

async fn dial(server: &str, path: &str) -> Result<Connection, BoxError> {
    let url = format!("ws://{server}{path}");
    let settings = UpstreamSettings {
        compression: Some(Compression::default()),
        ..UpstreamSettings::default()
    };
    let upstream = WebSocketUpstream::parse(&url, settings)?;
    Ok(upstream.dial(Dial::default()).await?)
}
