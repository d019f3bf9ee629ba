//! Servers of plain bytes over TLS: the ends of their connections, and the bytes before TLS.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use futures_util::{SinkExt, StreamExt};
use polysock::apps::Relay;
use polysock::protocols::{CloseCode, ProxyVersion};
use polysock::upstream::{self, UpstreamSettings};
use polysock::{Close, Connection, Gateway, Message, PortSettings, Site};
use polysock_test_support::PATIENCE;
use polysock_test_support::authority::Authority;
use polysock_test_support::client::Client;
use polysock_test_support::dial::dial;
use polysock_test_support::gateway::serve;
use polysock_test_support::tcp::raw_echo_server;
use polysock_test_support::tls_server::TlsServer;

use super::{settings, trusting};

fn relay(url: &str, settings: UpstreamSettings) -> SocketAddr {
    let relay = Relay::new(upstream::parse(url, settings).unwrap());
    serve(Gateway::with_site(
        Site::new(relay),
        PortSettings::default(),
    ))
}

/// Starts a plain server, and returns its address and its connections as they arrive.
fn plain() -> (SocketAddr, Receiver<Client>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, connections) = channel();
    thread::spawn(move || {
        let accept = |stream: std::io::Result<TcpStream>| Client::over(stream.unwrap());
        let mut connections = listener.incoming().map(accept);
        connections.all(|connection| sender.send(connection).is_ok());
    });
    (address, connections)
}

async fn next(connection: &mut Connection) -> Vec<u8> {
    let message = connection.next().await.unwrap().unwrap();
    message.as_bytes().to_vec()
}

#[tokio::test]
async fn many_bytes_pass_both_ways() {
    let authority = Authority::new();
    let server = TlsServer::new(&authority.issue(&["localhost"])).before(raw_echo_server());
    let url = format!("tls://{}", server.host());
    let gateway = relay(&url, settings(&trusting(&authority)));
    let connection = dial("rfc6455", gateway, &[]).await;
    let (mut sender, mut receiver) = connection.split();
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 251) as u8).collect();
    let sent = bytes.clone();
    let sending = tokio::spawn(async move {
        for part in sent.chunks(500_000) {
            let message = Message::Binary(part.to_vec().into());
            sender.send(message).await.unwrap();
        }
        sender
    });
    let mut received = Vec::new();
    while received.len() < bytes.len() {
        let message = receiver.next().await.unwrap().unwrap();
        received.extend_from_slice(message.as_bytes());
    }
    assert!(received == bytes);
    drop(sending.await.unwrap());
    let met = server.met();
    assert_eq!(
        (met[0].alpn.as_deref(), met[0].announced.as_deref()),
        (None, None)
    );
}

#[tokio::test]
async fn only_close_notify_ends_a_tls_stream_cleanly() {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"]);
    for is_cut in [false, true] {
        let (address, connections) = plain();
        let server = TlsServer::new(&identity);
        let server = match is_cut {
            true => server.cut_after(3),
            false => server,
        };
        let server = server.before(address);
        let url = format!("tls://{}", server.host());
        let gateway = relay(&url, settings(&trusting(&authority)));
        let mut connection = dial("rfc6455", gateway, &[]).await;
        let mut behind = connections.recv_timeout(PATIENCE).unwrap();
        behind.send("abc");
        behind.finish();
        assert_eq!(next(&mut connection).await, b"abc");
        assert!(connection.next().await.is_none());
        let closed = connection.closed().unwrap().close.clone();
        let expected = match is_cut {
            true => CloseCode::BAD_GATEWAY,
            false => CloseCode::NORMAL,
        };
        assert_eq!(
            closed.map(|close| close.code),
            Some(expected),
            "cut: {is_cut}"
        );
    }
}

#[tokio::test]
async fn the_end_of_a_client_is_sent_as_close_notify() {
    let authority = Authority::new();
    let (address, connections) = plain();
    let server = TlsServer::new(&authority.issue(&["localhost"])).before(address);
    let url = format!("tls://{}", server.host());
    let gateway = relay(&url, settings(&trusting(&authority)));
    let mut connection = dial("rfc6455", gateway, &[]).await;
    connection
        .send(Message::Binary("abc".into()))
        .await
        .unwrap();
    connection
        .close(Some(Close::from(CloseCode::NORMAL)))
        .await
        .unwrap();
    let mut behind = connections.recv_timeout(PATIENCE).unwrap();
    // Without close_notify the TLS server would cut the bytes.
    assert_eq!(behind.rest(), b"abc");
}

#[tokio::test]
async fn the_proxy_header_goes_before_tls() {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"]);
    for scheme in ["tls", "wss"] {
        let behind = match scheme {
            "tls" => raw_echo_server(),
            _ => super::echoes(),
        };
        let server = TlsServer::new(&identity).announced().before(behind);
        let url = format!("{scheme}://{}", server.host());
        let settings = UpstreamSettings {
            proxy_protocol: Some(ProxyVersion::V1),
            ..settings(&trusting(&authority))
        };
        let mut connection = dial("rfc6455", relay(&url, settings), &[]).await;
        connection
            .send(Message::Binary("abc".into()))
            .await
            .unwrap();
        assert_eq!(next(&mut connection).await, b"abc");
        let met = server.met();
        let line = met[0].announced.as_deref().unwrap();
        assert!(
            line.starts_with("PROXY TCP4 127.0.0.1 127.0.0.1 "),
            "{line}"
        );
    }
}
