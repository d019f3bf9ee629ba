//! Many streams of every kind on one connection.

use polysock_test_support::frame::{close, frame, unmasked};
use polysock_test_support::http2::{Peer, run};
use polysock_test_support::tcp::raw_echo_server;

use crate::POLYSOCK;

#[test]
fn many_websockets_and_ordinary_requests_share_a_connection() {
    run(async {
        let server = POLYSOCK.serve(&["--app", "echo"]);
        let mut peer = Peer::connect(server.address).await;
        let mut sockets = Vec::new();
        for _ in 0..5 {
            sockets.push(peer.websocket().await);
        }
        let payloads = [0, 1, 125, 126, 65_535, 65_536, 200_000].map(|len| vec![b'x'; len]);
        for payload in &payloads {
            for socket in &mut sockets {
                let message = frame(0x82, payload);
                // A window may be closed until the echo is read.
                let expected = unmasked(0x82, payload);
                let (first, rest) = message.split_at(message.len() / 2);
                socket.send(first).await;
                socket.send(rest).await;
                socket.expect(expected).await;
            }
        }
        let (answer, body) = peer.ask("GET", "/").await;
        assert_eq!(answer.status(), 404, "HTTP/2 has no upgrade to require");
        assert_eq!(body, b"this port speaks WebSocket\n");
        for socket in &mut sockets {
            socket.send(frame(0x81, "still here")).await;
            socket.expect(unmasked(0x81, "still here")).await;
        }
    });
}

#[test]
fn pages_are_served_as_over_http_1() {
    run(async {
        let server = POLYSOCK.serve(&["--app", "chat"]);
        let mut peer = Peer::connect(server.address).await;
        let (answer, page) = peer.ask("GET", "/").await;
        assert_eq!(answer.status(), 200);
        assert!(page.starts_with(b"<!"), "{}", page.escape_ascii());
        let fields = answer.headers();
        assert_eq!(fields["content-type"], "text/html; charset=utf-8");
        assert_eq!(fields["content-length"], page.len().to_string().as_str());
        assert!(fields.contains_key("date"), "{fields:?}");
        let (answer, body) = peer.ask("HEAD", "/").await;
        assert_eq!(
            answer.headers()["content-length"],
            page.len().to_string().as_str()
        );
        assert!(body.is_empty());
        for (method, target, status) in [
            ("GET", "/elsewhere", 404),
            ("POST", "/", 405),
            ("CONNECT", "example.com:80", 405),
        ] {
            let (answer, body) = peer.ask(method, target).await;
            assert_eq!(answer.status(), status, "{method}");
            assert!(!body.is_empty(), "{method}");
        }
    });
}

#[test]
fn frames_are_put_together_however_data_is_cut() {
    run(async {
        let server = POLYSOCK.serve(&["--app", "echo"]);
        let mut peer = Peer::connect(server.address).await;
        let mut socket = peer.websocket().await;
        let fragments = [
            frame(0x01, "Hel"),
            frame(0x89, "ping"),
            frame(0x80, "lo"),
            frame(0x81, "next"),
        ];
        for byte in fragments.concat().chunks(1) {
            socket.send(byte).await;
        }
        socket.expect(unmasked(0x8a, "ping")).await;
        socket.expect(unmasked(0x81, "Hello")).await;
        socket.expect(unmasked(0x81, "next")).await;
    });
}

#[test]
fn is_relayed_to_a_byte_stream_and_to_a_websocket_server() {
    run(async {
        let echo = POLYSOCK.serve(&["--app", "echo"]);
        for url in [
            format!("tcp://{}", raw_echo_server()),
            format!("ws://{}", echo.address),
        ] {
            let server = POLYSOCK.serve(&[&url]);
            let mut peer = Peer::connect(server.address).await;
            let (mut socket, fields) = peer
                .websocket_with(&[("sec-websocket-protocol", "binary")])
                .await;
            assert_eq!(fields["sec-websocket-protocol"], "binary", "{url}");
            socket.send(frame(0x82, "Hello")).await;
            socket.expect(unmasked(0x82, "Hello")).await;
            socket.send(close(1000)).await;
            socket.expect(unmasked(0x88, b"\x03\xe8")).await;
            socket.ended().await;
        }
    });
}

#[test]
fn an_idle_websocket_costs_a_few_kilobytes() {
    const PEERS: usize = 20;
    const EACH: usize = 100;
    run(async {
        let server = POLYSOCK.serve(&["--app", "echo"]);
        let mut first = Peer::connect(server.address).await;
        let mut socket = first.websocket().await;
        socket.send(frame(0x81, "hi")).await;
        socket.expect(unmasked(0x81, "hi")).await;
        let (before, _) = server.memory();
        let mut peers = Vec::new();
        let mut sockets = Vec::new();
        for _ in 0..PEERS {
            let mut peer = Peer::connect(server.address).await;
            for _ in 0..EACH {
                sockets.push(peer.websocket().await);
            }
            peers.push(peer);
        }
        for socket in &mut sockets {
            socket.send(frame(0x81, "hi")).await;
            socket.expect(unmasked(0x81, "hi")).await;
        }
        let (after, _) = server.memory();
        let each = after.saturating_sub(before) / (PEERS * EACH);
        eprintln!("an idle WebSocket on HTTP/2 takes {each} bytes");
        assert!(each < 8192, "an idle WebSocket takes {each} bytes");
    });
}
