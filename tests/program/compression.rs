//! Compression over real sockets: the bytes on the wire, the cost, and relays between all kinds.

use std::io::Write;
use std::net::SocketAddr;

use flate2::{Compress, FlushCompress};
use futures_util::{SinkExt, StreamExt};
use polysock::upstream::UpstreamSettings;
use polysock::{Compression, Connection, Message};
use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::dial::dial_with;
use polysock_test_support::frame::frame;
use polysock_test_support::middle::{Middle, Way};
use polysock_test_support::opening::versioned;
use polysock_test_support::server::Server;

use crate::POLYSOCK;

const MIB: usize = 1 << 20;

/// The kinds of compression, by the name of the extension. Empty for none.
static KINDS: [&str; 3] = ["", "permessage-deflate", "x-webkit-deflate-frame"];

/// Records a connection in which only one kind of compression is offered.
fn middle(server: SocketAddr, kind: &str) -> Middle {
    let withheld: &[&str] = match kind {
        "" => &KINDS[1..],
        kind if kind == KINDS[1] => &KINDS[2..],
        _ => &KINDS[1..2],
    };
    Middle::before(server, withheld)
}

/// Connects, and offers compression.
async fn dial(address: SocketAddr, compression: Compression) -> Connection {
    let settings = UpstreamSettings {
        compression: Some(compression),
        ..UpstreamSettings::default()
    };
    dial_with("rfc6455", address, &[], settings).await
}

/// Compression with context takeover in both directions.
fn takeover() -> Compression {
    let mut compression = Compression::default();
    compression.outgoing.context_takeover = true;
    compression.incoming.context_takeover = true;
    compression
}

fn messages() -> Vec<Message> {
    let bytes: Vec<u8> = (0..=255).flat_map(|byte| [byte; 3 * MIB / 256]).collect();
    vec![
        "Hello".into(),
        "".into(),
        "äöü ".repeat(100).into(),
        Message::binary(bytes),
        "the same ".repeat(30).into(),
        "the same ".repeat(30).into(),
    ]
}

async fn assert_echoes(client: &mut Connection, what: &str) {
    for message in messages() {
        client.send(message.clone()).await.unwrap();
        let echo = tokio::time::timeout(PATIENCE, client.next()).await;
        let echo = echo.unwrap_or_else(|_| panic!("{what}: no echo"));
        assert!(echo.unwrap().unwrap() == message, "{what}: {message:?}");
    }
}

/// The length of the messages without compression.
fn plain_len() -> usize {
    messages()
        .iter()
        .map(|message| message.as_bytes().len())
        .sum()
}

/// Asserts that the traffic was compressed, or was not.
fn assert_compressed(middle: &Middle, kind: &str) {
    let answer = middle.answer();
    if kind.is_empty() {
        assert_eq!(answer, None);
    } else {
        let answer = answer.unwrap();
        assert!(answer.starts_with(kind), "{answer}");
    }
    for way in [Way::Up, Way::Down] {
        let (firsts, len) = middle.frames(way);
        // `Hello` is too short to be compressed, as is the empty message. RSV1 marks the third.
        let third = if kind.is_empty() { 0x81 } else { 0xc1 };
        assert_eq!(firsts[..3], [0x81, 0x81, third], "{kind}");
        let small = len < plain_len() / 10;
        assert_eq!(small, !kind.is_empty(), "{kind}: {len} bytes");
    }
}

#[tokio::test]
async fn every_kind_is_compressed_on_the_wire() {
    for (arguments, ours) in [
        (&[][..], Compression::default()),
        (&["--context-takeover"], takeover()),
        (
            &["--window-bits", "9", "--compression-level", "9"],
            takeover(),
        ),
    ] {
        let server = POLYSOCK.echo(&[&["--max-message", "64MiB"], arguments].concat());
        for kind in KINDS {
            let middle = middle(server.address, kind);
            let mut client = dial(middle.address, ours).await;
            assert_echoes(&mut client, kind).await;
            assert_compressed(&middle, kind);
            client.close(None).await.unwrap();
        }
    }
}

#[tokio::test]
async fn every_client_compression_is_relayed_to_every_upstream_compression() {
    let server = POLYSOCK.echo(&["--context-takeover", "--max-message", "64MiB"]);
    for behind in KINDS {
        for before in KINDS {
            let upstream = middle(server.address, behind);
            let url = format!("ws://{}", upstream.address);
            let gateway = POLYSOCK.serve(&["--upstream-compression", "on", &url]);
            let downstream = middle(gateway.address, before);
            let mut client = dial(downstream.address, Compression::default()).await;
            assert_echoes(&mut client, &format!("{before} to {behind}")).await;
            assert_compressed(&downstream, before);
            assert_compressed(&upstream, behind);
            client.close(None).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_upstream_is_offered_no_compression_by_default() {
    let server = POLYSOCK.echo(&["--max-message", "64MiB"]);
    let middle = middle(server.address, KINDS[1]);
    let gateway = POLYSOCK.serve(&[&format!("ws://{}", middle.address)]);
    let mut client = dial(gateway.address, Compression::default()).await;
    assert_echoes(&mut client, "without").await;
    assert_compressed(&middle, "");
}

/// Clients with context takeover and clients without it get different bytes.
#[tokio::test]
async fn a_broadcast_reaches_every_kind() {
    for arguments in [&[][..], &["--context-takeover"]] {
        let server = POLYSOCK.serve(&[&["--app", "broadcast"], arguments].concat());
        let mut clients = Vec::new();
        for kind in KINDS {
            for ours in [Compression::default(), takeover()] {
                let middle = middle(server.address, kind);
                clients.push((dial(middle.address, ours).await, middle));
            }
        }
        let text = |number: usize| Message::text(format!("{number} {}", "joins ".repeat(50)));
        for (number, (client, _)) in clients.iter_mut().enumerate() {
            // A client that has received its own message has joined.
            client.send(text(number)).await.unwrap();
            while client.next().await.unwrap().unwrap() != text(number) {}
        }
        let last = clients.len();
        clients[0].0.send(text(last)).await.unwrap();
        for (client, _) in &mut clients {
            while client.next().await.unwrap().unwrap() != text(last) {}
        }
        for (_, middle) in &clients {
            let compressed = middle.answer().is_some();
            let (firsts, _) = middle.frames(Way::Down);
            assert_eq!(firsts[0] == 0xc1, compressed);
        }
    }
}

/// 1 MiB that inflates to 1 GiB.
fn bomb() -> Vec<u8> {
    let mut stream = Compress::new(flate2::Compression::best(), false);
    let zeros = vec![0; MIB];
    let mut bomb = Vec::new();
    for _ in 0..1024 {
        let end = stream.total_in() + MIB as u64;
        while stream.total_in() < end {
            bomb.reserve(64 * 1024);
            let from = MIB - usize::try_from(end - stream.total_in()).unwrap();
            let flush = FlushCompress::None;
            stream
                .compress_vec(&zeros[from..], &mut bomb, flush)
                .unwrap();
        }
    }
    bomb.reserve(64 * 1024);
    let flush = FlushCompress::Sync;
    stream.compress_vec(&[], &mut bomb, flush).unwrap();
    bomb.truncate(bomb.len() - 4);
    assert!(bomb.len() < MIB + MIB / 50, "{} bytes", bomb.len());
    bomb
}

/// Opens a connection with this kind of compression.
fn compressing(server: &Server, kind: &str) -> Client {
    let offer = format!("Sec-WebSocket-Extensions: {kind}\r\n");
    let (client, head) = server.answers(versioned("13", &offer), 101);
    assert!(head.contains(kind), "{head}");
    client
}

#[test]
fn a_gibibyte_in_a_mebibyte_is_refused_in_bounded_memory() {
    let bomb = frame(0xc2, bomb());
    for kind in &KINDS[1..] {
        for (max_message, room) in [("64MiB", 160 * MIB), ("1MiB", 8 * MIB), ("1KiB", 4 * MIB)] {
            let mut server = POLYSOCK.echo(&["--max-message", max_message, "--workers", "1"]);
            let client = compressing(&server, kind);
            let (before, _) = server.memory();
            // The message is refused while it arrives, and is not read to its end.
            let _ = client.stream().write_all(&bomb);
            server.log_line("code=1009");
            let (_, highest) = server.memory();
            let grown = highest - before;
            assert!(grown < room, "{kind} {max_message}: grown by {grown}");
        }
    }
}

#[test]
fn a_refused_message_is_answered_with_1009() {
    let server = POLYSOCK.echo(&["--max-message", "1KiB"]);
    for kind in &KINDS[1..] {
        let mut client = compressing(&server, kind);
        let mut stream = Compress::new(flate2::Compression::best(), false);
        let mut deflated = Vec::with_capacity(1024);
        let flush = FlushCompress::Sync;
        stream
            .compress_vec(&[0; 1025], &mut deflated, flush)
            .unwrap();
        client.send(frame(0xc2, &deflated[..deflated.len() - 4]));
        let close = client.rest();
        assert_eq!((close[0], &close[2..4]), (0x88, &1009u16.to_be_bytes()[..]));
    }
}

/// Idle connections hold no compression streams.
#[test]
fn an_idle_connection_holds_no_memory_for_compression() {
    const COUNT: usize = 200;
    let server = POLYSOCK.echo(&["--workers", "1", "--compression-threshold", "0"]);
    let text = "x".repeat(500);
    let mut stream = Compress::new(flate2::Compression::best(), false);
    let mut deflated = Vec::with_capacity(1024);
    let flush = FlushCompress::Sync;
    stream
        .compress_vec(text.as_bytes(), &mut deflated, flush)
        .unwrap();
    let hello = frame(0xc1, &deflated[..deflated.len() - 4]);
    let mut clients = Vec::new();
    let mut before = 0;
    for count in 0..COUNT {
        let mut client = compressing(&server, KINDS[1 + count % 2]);
        client.send(&hello);
        assert_eq!(client.take(2)[0], 0xc1);
        clients.push(client);
        if count == COUNT / 10 {
            (before, _) = server.memory();
        }
    }
    let (after, _) = server.memory();
    let each = after.saturating_sub(before) / COUNT;
    assert!(each < 8 * 1024, "{each} bytes for each");
}
