//! A client of the library.

use polysock::Connection;
use polysock::protocols::{Dial, find_protocol};
use polysock::upstream::{UpstreamSettings, WebSocketUpstream};

/// Connects in a protocol, by its name, to `HOST:PORT/PATH`, and offers these subprotocols.
pub async fn dial(protocol: &str, address: impl ToString, subprotocols: &[&str]) -> Connection {
    dial_with(protocol, address, subprotocols, UpstreamSettings::default()).await
}

/// The same with settings.
pub async fn dial_with(
    protocol: &str,
    address: impl ToString,
    subprotocols: &[&str],
    settings: UpstreamSettings,
) -> Connection {
    let url = format!("ws://{}", address.to_string());
    let upstream = WebSocketUpstream::parse(&url, settings).expect("an address");
    let upstream = upstream.with_protocol(find_protocol(protocol).expect("a protocol"));
    let dial = Dial {
        subprotocols: subprotocols.iter().map(|name| (*name).into()).collect(),
        ..Dial::default()
    };
    let connection = upstream.dial(dial).await;
    connection.expect("an opening handshake")
}
