//! The relay: size, backpressure, and the forwarding of closes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use polysock::{Accept, Close, CloseCode, Gateway, Handshake, Message, Side, Site};
use polysock_test_support::client::Client;
use polysock_test_support::dial::dial;
use polysock_test_support::frame::{binary_header, close, frame};
use polysock_test_support::opening::RFC6455;
use polysock_test_support::tcp::tcp_server;
use polysock_test_support::{PATIENCE, gateway};

use crate::POLYSOCK;

const MIB: usize = 1024 * 1024;

#[test]
fn a_frame_of_one_gib_is_relayed_in_pieces_and_bounded_memory() {
    const GIB: usize = 1024 * MIB;
    let (arrived, arrivals) = mpsc::channel();
    let url = tcp_server(move |mut stream| {
        let mut buffer = vec![0; MIB];
        let mut total = 0;
        while total < GIB {
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "ended after {total} bytes");
            assert!(buffer[..count].iter().all(|byte| *byte == b'x'));
            if total == 0 {
                arrived.send(()).unwrap();
            }
            total += count;
        }
        arrived.send(()).unwrap();
    });
    let gateway = POLYSOCK.serve(&[&url]);
    let mut client = gateway.websocket();
    let (before, _) = gateway.memory();
    client.send(binary_header(GIB));
    let chunk = vec![b'x'; MIB];
    client.send(&chunk[..1000]);
    // The rest is sent only after the first bytes have arrived at the upstream.
    arrivals.recv_timeout(PATIENCE).unwrap();
    client.send(&chunk[1000..]);
    for _ in 1..GIB / MIB {
        client.send(&chunk);
    }
    arrivals.recv_timeout(PATIENCE).unwrap();
    let (_, highest) = gateway.memory();
    let growth = highest.saturating_sub(before);
    assert!(growth < 8 * MIB, "resident memory grew by {growth} bytes");
}

#[test]
fn a_client_that_never_reads_stops_its_upstream() {
    let (stalled, stalls) = mpsc::channel();
    let url = tcp_server(move |mut stream| {
        stream
            .set_write_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let chunk = vec![0; MIB];
        let mut total = 0;
        while let Ok(count) = stream.write(&chunk) {
            total += count;
        }
        stalled.send(total).unwrap();
    });
    let gateway = POLYSOCK.serve(&[&url]);
    let (before, _) = gateway.memory();
    let clients: Vec<_> = (0..8).map(|_| gateway.websocket()).collect();
    for _ in &clients {
        // No more than the socket buffers hold.
        let total = stalls.recv_timeout(PATIENCE).unwrap();
        assert!(
            total < 64 * MIB,
            "{total} bytes were taken for a client that reads none"
        );
    }
    let (_, highest) = gateway.memory();
    let growth = highest.saturating_sub(before);
    assert!(growth < 8 * MIB, "resident memory grew by {growth} bytes");
}

#[test]
fn the_directions_of_a_relay_do_not_block_each_other() {
    // Both sides write all their data before they read. If one direction waited for the other,
    // there would be a deadlock. The socket buffers, which grow to some 20 MiB, hold only a part of
    // the data.
    const LEN: usize = 64 * MIB;
    let url = tcp_server(|mut stream| {
        let mut reader = stream.try_clone().unwrap();
        let writer = thread::spawn(move || stream.write_all(&vec![1; LEN]).unwrap());
        writer.join().unwrap();
        let mut all = vec![0; LEN];
        reader.read_exact(&mut all).unwrap();
    });
    let gateway = POLYSOCK.serve(&[&url]);
    let mut client = gateway.websocket();
    client.send(binary_header(LEN));
    let sent = client.send_until_stuck(&vec![2; LEN]);
    assert!(sent < LEN, "the way to the upstream is never full");
    // The client begins to read only now.
    let mut reader = Client::over(client.stream().try_clone().unwrap());
    let writer = thread::spawn(move || client.send(vec![2; LEN - sent]));
    let all = reader.rest();
    writer.join().unwrap();
    assert!(all.len() > LEN);
}

#[test]
fn an_upstream_that_ends_closes_the_client_after_all_it_sent() {
    let url = tcp_server(|mut stream| stream.write_all(&[7; 3 * MIB]).unwrap());
    let gateway = POLYSOCK.serve(&[&url]);
    let mut client = gateway.websocket();
    // The gateway ends its direction after the closing handshake. The client can read all without
    // sending an answer.
    let all = client.rest();
    assert!(all.len() > 3 * MIB);
    assert_eq!(
        all[all.len() - 4..],
        [0x88, 2, 0x03, 0xe8],
        "closed with 1000"
    );
}

#[test]
fn a_client_that_closes_ends_the_stream_of_its_upstream() {
    let (ended, ends) = mpsc::channel();
    let url = tcp_server(move |mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        ended.send(all).unwrap();
    });
    let gateway = POLYSOCK.serve(&[&url]);
    let mut client = gateway.websocket();
    client.send([frame(0x82, "hello"), close(1000)].concat());
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), b"hello");
    assert_eq!(client.rest(), [0x88, 2, 0x03, 0xe8]);
}

#[test]
fn a_client_that_vanishes_ends_the_stream_of_its_upstream() {
    let (ended, ends) = mpsc::channel();
    let url = tcp_server(move |mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        ended.send(all.len()).unwrap();
    });
    let gateway = POLYSOCK.serve(&[&url]);
    let mut client = gateway.websocket();
    // A frame that is never completed.
    client.send(binary_header(1000));
    client.send([0; 600]);
    drop(client);
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), 600);
}

#[test]
fn an_unreachable_upstream_is_a_bad_gateway() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    drop(listener);
    let gateway = POLYSOCK.serve(&[&url]);
    gateway.answers(RFC6455, 502);
}

/// The application of [`websocket_server`]: acts on each text.
async fn obey(handshake: Handshake) -> Result<(), polysock::BoxError> {
    if handshake.request().path() == "/forbidden" {
        handshake.reject(polysock::Rejection::new(403, "no"));
        return Ok(());
    }
    let accept = Accept::first_offered(handshake.request());
    let target = handshake.request().target.clone();
    let mut connection = handshake.accept(accept).await?;
    while let Some(message) = connection.next().await.transpose()? {
        match message.as_text() {
            Some("target") => connection.send(Message::text(target.clone())).await?,
            Some("binary") => connection.send(Message::binary(&b"\0\xff"[..])).await?,
            Some("close") => {
                let close = Close::new(CloseCode::new(4001).unwrap(), "as you said");
                return Ok(connection.close(Some(close)).await?);
            }
            _ => connection.send(message).await?,
        }
    }
    Ok(())
}

/// Starts a server of the library, which outlives the test's runtime.
fn websocket_server() -> std::net::SocketAddr {
    let settings = polysock::PortSettings {
        protocols: polysock::protocols::PROTOCOLS.to_vec(),
        ..Default::default()
    };
    gateway::serve(Gateway::with_site(Site::new(obey), settings))
}

#[tokio::test]
async fn every_protocol_reaches_every_other() {
    let server = websocket_server();
    for behind in polysock::protocols::PROTOCOLS {
        let scheme = behind.name().replace('-', "");
        let gateway = POLYSOCK.serve(&["--protocols", "all", &format!("ws+{scheme}://{server}")]);
        for before in polysock::protocols::PROTOCOLS {
            let names = format!("{} to {}", before.name(), behind.name());
            let address = format!("{}/a?b", gateway.address);
            let mut client = dial(before.name(), &address, &["echo"]).await;
            assert_eq!(
                client.subprotocol().map(|name| &**name),
                Some("echo"),
                "{names}"
            );
            for text in ["target", "", "grüße", &"x".repeat(100_000)] {
                client.send(text.into()).await.unwrap();
                let answer = client.next().await.unwrap().unwrap();
                let expected = if text == "target" { "/a?b" } else { text };
                assert!(answer.as_text() == Some(expected), "{names}: {answer:?}");
            }
            client.close(None).await.unwrap();
        }
    }
}

#[tokio::test]
async fn closes_are_carried_across_in_both_directions() {
    let gateway = POLYSOCK.serve(&[&format!("ws://{}", websocket_server())]);
    let mut client = dial("rfc6455", &gateway.address.to_string(), &[]).await;
    client.send("close".into()).await.unwrap();
    assert!(client.next().await.is_none());
    let closed = client.closed().unwrap();
    assert_eq!((closed.by, closed.clean), (Side::Peer, true));
    let close = closed.close.clone().unwrap();
    assert_eq!((close.code.get(), &*close.reason), (4001, "as you said"));
}

#[test]
fn an_upstreams_refusal_is_passed_on() {
    let gateway = POLYSOCK.serve(&[&format!("ws://{}", websocket_server())]);
    gateway.answers(RFC6455.replace("/chat", "/forbidden"), 403);
}

#[tokio::test]
async fn binary_to_a_text_protocol_is_a_close_or_base64_as_configured() {
    let server = format!("ws://{}", websocket_server());
    let closing = POLYSOCK.serve(&[&server]);
    let mut client = dial("hixie-76", &closing.address.to_string(), &[]).await;
    client.send("binary".into()).await.unwrap();
    assert!(client.next().await.is_none(), "closed, not silent");

    let encoding = POLYSOCK.serve(&["--binary-over-text", "base64", &server]);
    let mut client = dial("hixie-76", &encoding.address.to_string(), &[]).await;
    for (sent, expected) in [("binary", "AP8="), ("text", "text")] {
        client.send(sent.into()).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), expected.into());
    }
}

#[tokio::test]
async fn the_base64_subprotocol_carries_bytes_both_ways() {
    let url = tcp_server(|mut stream| {
        let mut reader = stream.try_clone().unwrap();
        let _ = std::io::copy(&mut reader, &mut stream);
    });
    let gateway = POLYSOCK.serve(&["--protocols", "all", &url]);
    for protocol in ["hixie-75", "hixie-76", "hybi-10", "rfc6455"] {
        let address = gateway.address.to_string();
        let mut client = dial(protocol, &address, &["base64"]).await;
        let bytes: Vec<u8> = (0..100_000u32).map(|number| (number % 251) as u8).collect();
        client.send(Message::binary(bytes.clone())).await.unwrap();
        let mut echoed = Vec::new();
        while echoed.len() < bytes.len() {
            echoed.extend_from_slice(client.next().await.unwrap().unwrap().as_bytes());
        }
        assert!(echoed == bytes, "{protocol}");
    }
}
