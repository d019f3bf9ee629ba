//! Clients of the library.

use std::net::SocketAddr;

use bytes::BytesMut;
use polysock::Connection;
use polysock::protocols::{Dial, DialError, Protocol, Response, find_protocol};
use polysock::upstream::{UpstreamSettings, WebSocketUpstream};

use crate::client::Client;
use crate::member::CONTEXT;

/// Connects to `HOST:PORT/PATH` in a protocol, selected by name, and offers these subprotocols.
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

/// Sends an opening handshake. Returns the head of the answer, accepted or refused, and the
/// connection after that head.
pub fn ask(protocol: &dyn Protocol, address: SocketAddr, dial: &Dial) -> (Response, Client) {
    let mut client = Client::connect(address);
    let dial = Dial {
        host: address.to_string().into(),
        ..dial.clone()
    };
    let mut dialer = protocol.dial(&dial, &CONTEXT).expect("a request");
    let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
    loop {
        let answer = dialer.advance(&mut incoming, &mut outgoing);
        client.send(outgoing.split());
        match answer {
            Ok(Some(dialled)) => return (dialled.response, client),
            // Read byte by byte, so that no byte after the head is consumed.
            Ok(None) => incoming.extend_from_slice(&client.take(1)),
            Err(DialError::Refused(response)) => return (*response, client),
            Err(error) => panic!("{}: {error}", protocol.name()),
        }
    }
}
