//! The ends of streams and connections.

use std::time::Duration;

use h2::Reason;
use polysock_test_support::frame::{close, frame, unmasked};
use polysock_test_support::http2::{GET, Peer, http2_frame, preface, run};

use crate::POLYSOCK;

#[test]
fn a_close_ends_the_stream_and_no_other() {
    run(async {
        let mut server = POLYSOCK.serve(&["--app", "echo"]);
        let mut peer = Peer::connect(server.address).await;
        let mut other = peer.websocket().await;

        let mut socket = peer.websocket().await;
        let line = server.log_line(" open ");
        assert!(line.contains("over=\"HTTP/2\""), "{line}");
        let reason = frame(0x88, b"\x0f\xa0bye");
        socket.send(&reason).await;
        socket.expect(unmasked(0x88, b"\x0f\xa0")).await;
        socket.ended().await;
        socket.finish();
        let line = server.log_line(" close ");
        assert!(
            line.contains("code=4000 reason=\"bye\" by=\"client\""),
            "{line}"
        );

        // A client that does not end its side is reset without an error (RFC 9113 §8.1).
        let mut lazy = peer.websocket().await;
        lazy.send(close(1000)).await;
        lazy.expect(unmasked(0x88, b"\x03\xe8")).await;
        lazy.ended().await;
        assert_eq!(lazy.was_reset().await, Reason::NO_ERROR);
        server.log_line(" close ");

        let mut breach = peer.websocket().await;
        breach.send(b"\x81\x02hi").await;
        let close = unmasked(0x88, b"\x03\xeaunmasked frame from a client");
        breach.expect(close).await;
        breach.ended().await;
        server.log_line(" close ");

        // The equivalents of FIN and RST of TCP.
        let mut finished = peer.websocket().await;
        finished.finish();
        finished.ended().await;
        let line = server.log_line(" close ");
        assert!(line.contains("code=1006"), "{line}");
        peer.websocket().await.reset();
        let line = server.log_line(" close ");
        assert!(line.contains("code=1006"), "{line}");

        other.send(frame(0x81, "still here")).await;
        other.expect(unmasked(0x81, "still here")).await;
        // The connection ends, and its streams with it.
        drop(peer);
        let line = server.log_line(" close ");
        assert!(line.contains("code=1006"), "{line}");
    });
}

#[test]
fn a_shutdown_closes_every_stream() {
    run(async {
        let slow = ["--close-timeout", "10m", "--shutdown-timeout", "10m"];
        let mut server = POLYSOCK.serve(&[&["--app", "echo"][..], &slow].concat());
        let mut peer = Peer::connect(server.address).await;
        let mut sockets = Vec::new();
        for _ in 0..3 {
            sockets.push(peer.websocket().await);
        }
        server.signal("TERM");
        for socket in &mut sockets {
            socket.expect(unmasked(0x88, b"\x03\xe9")).await;
        }
        for socket in &mut sockets {
            socket.send(close(1001)).await;
            socket.ended().await;
            socket.finish();
        }
        // GOAWAY without an error, once the last stream has ended.
        peer.ended.await.unwrap().unwrap();
        let (code, log) = server.ends_within(Duration::from_secs(20));
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(log.matches("code=1001").count(), 3, "{log}");
        assert!(!log.contains("panicked"), "{log}");
    });
}

#[test]
fn a_shutdown_is_not_held_up_by_an_idle_connection() {
    let mut server = POLYSOCK.serve(&["--app", "echo", "--shutdown-timeout", "10m"]);
    let mut idle = server.connect();
    idle.send([preface(), http2_frame(1, 5, 1, GET)].concat());
    // The answer has a text.
    let mut answer = Vec::new();
    while !answer.ends_with(b"WebSocket\n") {
        answer.extend(idle.read_once());
    }
    server.signal("TERM");
    // The client answers neither GOAWAY nor PING.
    let (code, log) = server.ends_within(Duration::from_secs(20));
    assert_eq!(code, Some(0), "{log}");
    let rest = idle.rest();
    assert!(rest.len() > 9 && rest[3] == 7, "no GOAWAY: {rest:02x?}");
}

#[test]
fn a_shutdown_is_not_delayed_by_a_stream_that_does_not_read() {
    run(async {
        let arguments = ["--app", "echo", "--close-timeout", "200ms"];
        let mut server = POLYSOCK.serve(&[&arguments[..], &["--shutdown-timeout", "15s"]].concat());
        let mut peer = Peer::connect(server.address).await;
        let mut stuck = peer.websocket().await;
        stuck.send_until_stuck(&frame(0x82, vec![7; 10_000])).await;
        server.signal("TERM");
        let (code, log) = server.ends_within(Duration::from_secs(20));
        assert_eq!(code, Some(0), "{log}");
    });
}
