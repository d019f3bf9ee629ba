//! A client of the library.

use polysock::Connection;
use polysock::protocols::Dial;
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
    let upstream = WebSocketUpstream::parse(protocol, &address.to_string(), settings);
    let dial = Dial {
        subprotocols: subprotocols.iter().map(|name| (*name).into()).collect(),
        ..Dial::default()
    };
    let connection = upstream.expect("an address").dial(dial).await;
    connection.expect("an opening handshake")
}
