//! A stream that does not read blocks only itself.

use std::net::TcpListener;

use h2::Reason;
use polysock_test_support::client::Client;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::http2::{Peer, run};

use super::MIB;
use crate::POLYSOCK;

#[test]
fn a_stream_that_does_not_read_blocks_no_other_of_a_hundred() {
    const COUNT: usize = 100;
    run(async {
        let server = POLYSOCK.serve(&["--app", "echo"]);
        let mut peer = Peer::connect(server.address).await;
        let mut sockets = Vec::new();
        for _ in 0..COUNT {
            sockets.push(peer.websocket().await);
        }
        let mut stuck = sockets.pop().unwrap();
        let message = frame(0x82, vec![7; 10_000]);
        let sent = stuck.send_until_stuck(&message).await;
        assert!(
            sent < MIB,
            "{sent} bytes were taken of one that does not read"
        );
        let (before, _) = server.memory();
        let large = vec![9; 200_000];
        for _ in 0..3 {
            for socket in &mut sockets {
                socket.send(frame(0x82, &large)).await;
            }
            for socket in &mut sockets {
                socket.expect(unmasked(0x82, &large)).await;
            }
        }
        let (_, highest) = server.memory();
        let growth = highest.saturating_sub(before);
        assert!(growth < 64 * MIB, "memory grew by {growth} bytes");
        // No message was lost.
        let echo = unmasked(0x82, vec![7; 10_000]);
        for _ in 0..sent / message.len() {
            stuck.expect(&echo).await;
        }
        stuck.send(&message[sent % message.len()..]).await;
        stuck.expect(&echo).await;
    });
}

#[test]
fn an_upstream_that_does_not_read_stops_its_own_stream_only() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("tcp://{}", listener.local_addr().unwrap());
        let server = POLYSOCK.serve(&[&url]);
        let mut peer = Peer::connect(server.address).await;
        let mut stuck = peer.websocket().await;
        let silent = listener.accept().unwrap().0;
        let mut other = peer.websocket().await;
        let mut reading = Client::over(listener.accept().unwrap().0);
        let (before, _) = server.memory();
        let sent = stuck.send_until_stuck(&frame(0x82, vec![7; 100_000])).await;
        let read = tokio::task::spawn_blocking(move || reading.expect(vec![8; 600_000]));
        for _ in 0..20 {
            other.send(frame(0x82, vec![8; 30_000])).await;
        }
        read.await.unwrap();
        let (_, highest) = server.memory();
        let growth = highest.saturating_sub(before);
        assert!(
            growth < 8 * MIB,
            "memory grew by {growth} bytes after {sent} sent"
        );
        drop(silent);
    });
}

#[test]
fn a_stream_that_does_not_read_is_reset() {
    run(async {
        let arguments = ["--app", "echo", "--ping-interval", "500ms"];
        let mut server = POLYSOCK.serve(&arguments);
        let mut peer = Peer::connect(server.address).await;
        let mut stuck = peer.websocket().await;
        stuck.send_until_stuck(&frame(0x82, vec![7; 10_000])).await;
        assert_eq!(stuck.was_reset().await, Reason::CANCEL);
        let line = server.log_line(" close ");
        assert!(line.contains("code=1001"), "{line}");
        let (answer, _) = peer.ask("GET", "/").await;
        assert_eq!(answer.status(), 404);
    });
}
