//! The opening of connections and streams.

use std::time::{Duration, Instant};

use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::http2::{GET, Peer, connect, http2_frame, preface, run};
use polysock_test_support::opening::RFC6455;

use crate::POLYSOCK;

#[test]
fn compression_is_agreed_on_as_over_http_1() {
    run(async {
        let server = POLYSOCK.serve(&["--app", "echo"]);
        let mut peer = Peer::connect(server.address).await;
        for (offer, answer) in [
            (
                "permessage-deflate; client_max_window_bits",
                "permessage-deflate; server_no_context_takeover",
            ),
            ("x-webkit-deflate-frame", "x-webkit-deflate-frame"),
        ] {
            let field = ("sec-websocket-extensions", offer);
            let (mut socket, fields) = peer.websocket_with(&[field]).await;
            assert_eq!(fields["sec-websocket-extensions"], answer);
            socket
                .send(frame(0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"))
                .await;
            socket.expect(unmasked(0x81, "Hello")).await;
            // A long run of one letter is compressed.
            socket.send(frame(0x81, "x".repeat(1000))).await;
            assert_eq!(socket.take(1).await[..], [0xc1]);
        }
    });
}

#[test]
fn http2_is_recognised_by_its_preface_however_it_is_cut() {
    let server = POLYSOCK.serve(&["--app", "echo"]);
    let headers = http2_frame(1, 4, 1, &connect());
    let data = http2_frame(0, 0, 1, &frame(0x81, "Hello"));
    let whole = [preface(), headers, data].concat();
    let echo = http2_frame(0, 0, 1, &unmasked(0x81, "Hello"));
    for cut in [1, 2, 3, 4, 11, 12, 13, 24, 25, 33, 60, whole.len()] {
        let mut client = server.connect();
        for part in whole.chunks(cut) {
            client.send(part);
        }
        let mut answer = Vec::new();
        while !answer.ends_with(&echo) {
            let bytes = client.read_once();
            assert!(!bytes.is_empty(), "{}", answer.escape_ascii());
            answer.extend(bytes);
        }
        // SETTINGS of a WebSocket server come first (RFC 8441 §3).
        assert_eq!(answer[3], 4);
        let settings: Vec<_> = answer[9..9 + usize::from(answer[2])].chunks(6).collect();
        assert!(
            settings.contains(&&b"\0\x08\0\0\0\x01"[..]),
            "{settings:02x?}"
        );
    }
}

#[test]
fn http2_is_closed_without_an_answer_if_disabled() {
    let server = POLYSOCK.serve(&["--app", "echo", "--http2", "off"]);
    let mut client = server.connect();
    client.send(preface());
    assert_eq!(client.rest(), b"");
    let (_, head) = server.ask(RFC6455);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
}

#[test]
fn extended_connect_is_not_offered_without_a_protocol_for_streams() {
    let server = POLYSOCK.serve(&["--app", "echo", "--protocols", "legacy"]);
    let mut client = server.connect();
    client.send(preface());
    let answer = client.read_once();
    let settings: Vec<_> = answer[9..9 + usize::from(answer[2])].chunks(6).collect();
    assert!(
        !settings.contains(&&b"\0\x08\0\0\0\x01"[..]),
        "{settings:02x?}"
    );
}

#[test]
fn a_missing_first_request_has_a_deadline() {
    let server = POLYSOCK.serve(&["--app", "echo", "--handshake-timeout", "500ms"]);
    let began = Instant::now();
    let half_a_head = http2_frame(1, 0, 1, GET);
    for sent in [
        b"PRI * HTTP/2.0\r\n\r\nSM".to_vec(),
        preface(),
        [preface(), half_a_head].concat(),
    ] {
        let mut client = server.connect();
        client.send(sent);
        client.gone();
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1500), "{took:?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
}
