//! What clients did in the wild, each test named after the one that needs it: written out byte by
//! byte, against the program, over real sockets.

use std::net::TcpListener;

use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::frame::frame;
use polysock_test_support::opening::{
    HIXIE_75, HIXIE_76, HIXIE_76_BODY, HIXIE_76_DIGEST, RFC6455, RFC6455_ACCEPT, versioned, with,
};
use polysock_test_support::opening::{assert_status, field};
use polysock_test_support::server::Server;

use crate::POLYSOCK;

/// A server for all of them.
fn server() -> Server {
    POLYSOCK.echo(&["--origin", "*", "--flash-policy"])
}

/// Opens a connection in Hixie-76, the eight bytes together with the head.
fn hixie_76(server: &Server) -> Client {
    let (mut client, head) = server.ask([HIXIE_76.as_bytes(), HIXIE_76_BODY].concat());
    assert_hixie_76(&head);
    client.expect(HIXIE_76_DIGEST);
    client
}

/// The beginning of the answer is fixed, byte for byte, and nothing is announced behind it.
#[track_caller]
fn assert_hixie_76(head: &str) {
    let beginning = "HTTP/1.1 101 WebSocket Protocol Handshake\r\n\
        Upgrade: WebSocket\r\nConnection: Upgrade\r\n";
    assert!(head.starts_with(beginning), "{head}");
    assert_eq!(field(head, "Content-Length"), None);
}

/// Opens a connection in RFC 6455 or one of the drafts that look like it.
#[track_caller]
fn open(server: &Server, request: impl AsRef<[u8]>) -> (Client, String) {
    let (client, head) = server.ask(request);
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    (client, head)
}

/// Shows that the connection works.
#[track_caller]
fn assert_echo(client: &mut Client, text: &str) {
    client.send(frame(0x81, text));
    client.expect([&[0x81, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat());
}

#[track_caller]
fn assert_hixie_echo(client: &mut Client, text: &str) {
    client.send(hixie(text));
    client.expect(hixie(text));
}

fn hixie(text: &str) -> Vec<u8> {
    [b"\0", text.as_bytes(), b"\xff"].concat()
}

// 1. The eight bytes, announced and not.

#[test]
fn takes_the_eight_bytes_of_autobahn_which_announces_them() {
    let server = server();
    let request = with(HIXIE_76, "Content-Length: 8\r\n");
    let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
    assert_hixie_76(&head);
    client.expect(HIXIE_76_DIGEST);
    assert_hixie_echo(&mut client, "Hello");
}

#[test]
fn takes_the_eight_bytes_of_netty_which_announces_them_in_lower_case() {
    let server = server();
    let (head, rest) = HIXIE_76.split_once("\r\n").unwrap();
    let fields = rest.lines().map(|line| match line.split_once(':') {
        Some((name, value)) => format!("{}:{value}\r\n", name.to_ascii_lowercase()),
        None => "content-length: 8\r\n\r\n".to_owned(),
    });
    let request = format!("{head}\r\n{}", fields.collect::<String>());
    let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
    assert_hixie_76(&head);
    client.expect(HIXIE_76_DIGEST);
    assert_hixie_echo(&mut client, "Hello");
}

#[test]
fn takes_the_eight_bytes_of_perl_which_sends_them_behind_the_head_it_announced_them_in() {
    let server = server();
    let (mut client, head) = server.ask(with(HIXIE_76, "Content-Length: 8\r\n"));
    assert_hixie_76(&head);
    client.send(HIXIE_76_BODY);
    client.expect(HIXIE_76_DIGEST);
    assert_hixie_echo(&mut client, "Hello");
}

#[test]
fn takes_the_eight_bytes_of_webkit_which_does_not_announce_them() {
    let server = server();
    let mut client = hixie_76(&server);
    assert_hixie_echo(&mut client, "Hello");
}

// 2. The head before the eight bytes, and in one write with the digest where they are there.

#[test]
fn answers_haproxy_before_it_lets_the_eight_bytes_through() {
    let server = server();
    let (mut client, head) = server.ask(HIXIE_76);
    assert_hixie_76(&head);
    client.send(HIXIE_76_BODY);
    client.expect(HIXIE_76_DIGEST);
    assert_hixie_echo(&mut client, "Hello");
}

#[test]
fn answers_nginx_which_lets_the_eight_bytes_through_in_pieces() {
    let server = server();
    let (mut client, head) = server.ask([HIXIE_76.as_bytes(), &HIXIE_76_BODY[..3]].concat());
    assert_hixie_76(&head);
    client.send_bytewise(&HIXIE_76_BODY[3..]);
    client.expect(HIXIE_76_DIGEST);
    assert_hixie_echo(&mut client, "Hello");
}

#[test]
fn answers_a_ruby_client_with_head_and_digest_in_one_read() {
    let server = server();
    let mut client = server.connect();
    client.send([HIXIE_76.as_bytes(), HIXIE_76_BODY].concat());
    let answer = client.read_once();
    assert!(answer.ends_with(&[b"\r\n\r\n", HIXIE_76_DIGEST].concat()));
}

// 3. Keys of the wrong length.

#[test]
fn accepts_the_fifteen_byte_keys_of_ws_0_4() {
    let server = server();
    let short = |version| {
        versioned(version, "").replace("dGhlIHNhbXBsZSBub25jZQ==", "AAECAwQFBgcICQoLDA0O")
    };
    let (mut client, head) = open(&server, short("8"));
    // SHA-1 of the key as it stands and the GUID.
    let accept = field(&head, "Sec-WebSocket-Accept");
    assert_eq!(accept, Some("qC29wV0Fb8slfLA7Jy/RFjd174o="));
    assert_echo(&mut client, "Hello");
    let (mut refused, head) = server.ask(short("13"));
    assert_status(&head, 400);
    refused.gone();
}

// 4. Where the origin stands.

const PAGE: &str = "http://page.example";

#[track_caller]
fn assert_answered(server: &Server, request: &str, status: u16) {
    let (_, head) = server.ask(request);
    assert_status(&head, status);
}

#[test]
fn believes_the_sec_websocket_origin_of_ws_0_4_which_sends_two() {
    let server = POLYSOCK.echo(&["--origin", PAGE]);
    let both = "Origin: 127.0.0.1:8080\r\nSec-WebSocket-Origin: http://page.example\r\n";
    let swapped = "Origin: http://page.example\r\nSec-WebSocket-Origin: 127.0.0.1:8080\r\n";
    assert_answered(&server, &versioned("8", both), 101);
    assert_answered(&server, &versioned("8", swapped), 403);
}

#[test]
fn reads_the_origin_of_version_8_under_both_its_names_and_of_13_under_one() {
    let server = POLYSOCK.echo(&["--origin", PAGE]);
    for (version, name, status) in [
        ("8", "Origin", 101),
        ("8", "Sec-WebSocket-Origin", 101),
        ("13", "Origin", 101),
        ("13", "Sec-WebSocket-Origin", 403),
    ] {
        let origin = format!("{name}: {PAGE}\r\n");
        assert_answered(&server, &versioned(version, &origin), status);
    }
}

#[test]
fn takes_the_origin_of_websocket_client_0_3_which_has_no_scheme() {
    let request = versioned("13", "Origin: 127.0.0.1\r\n");
    assert_answered(&server(), &request, 101);
    assert_answered(&POLYSOCK.echo(&["--origin", "127.0.0.1"]), &request, 101);
    assert_answered(&POLYSOCK.echo(&["--origin", PAGE]), &request, 403);
}

#[test]
fn takes_a_hixie_76_client_that_sends_no_origin() {
    let server = server();
    let request = HIXIE_76.replace("Origin: http://example.com\r\n", "");
    let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
    assert_hixie_76(&head);
    assert_eq!(field(&head, "Sec-WebSocket-Origin"), None);
    client.expect(HIXIE_76_DIGEST);
    assert_hixie_echo(&mut client, "Hello");
}

// 5. How the fields are written.

#[test]
fn takes_the_upgrade_of_perl_in_versions_8_and_13() {
    let server = server();
    for version in ["8", "13"] {
        let request = versioned(version, "").replace("Upgrade: websocket", "Upgrade: WebSocket");
        let (mut client, head) = open(&server, request);
        assert_eq!(field(&head, "Upgrade"), Some("websocket"));
        assert_echo(&mut client, "Hello");
    }
}

#[test]
fn takes_the_lower_case_names_of_netty_in_version_13() {
    let server = server();
    let (line, fields) = RFC6455.split_once("\r\n").unwrap();
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let fields = fields
        .to_ascii_lowercase()
        .replace(&key.to_ascii_lowercase(), key);
    let (mut client, head) = open(&server, format!("{line}\r\n{fields}"));
    assert_eq!(field(&head, "Sec-WebSocket-Accept"), Some(RFC6455_ACCEPT));
    assert_echo(&mut client, "Hello");
}

#[test]
fn takes_the_shuffled_fields_and_the_draft_0_of_pywebsocket() {
    let server = server();
    let with_draft = with(HIXIE_76, "Sec-WebSocket-Draft: 0\r\n");
    let (line, fields) = with_draft.split_once("\r\n").unwrap();
    let mut fields: Vec<_> = fields.trim_end().split("\r\n").collect();
    for _ in 0..fields.len() {
        fields.rotate_left(1);
        let request = format!("{line}\r\n{}\r\n\r\n", fields.join("\r\n"));
        let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
        assert_hixie_76(&head);
        client.expect(HIXIE_76_DIGEST);
        assert_hixie_echo(&mut client, "Hello");
    }
}

// 6. Frames are written whole.

#[test]
fn writes_frames_whole_for_netty_which_loses_a_byte_of_others() {
    let server = server();
    let mut client = hixie_76(&server);
    for text in [
        String::new(),
        "Hello".into(),
        "x".repeat(2000),
        "x".repeat(20_000),
    ] {
        client.send_bytewise(&hixie(&text)[..1]);
        client.send(text.as_bytes());
        client.send(b"\xff");
        assert_eq!(client.read_once(), hixie(&text));
    }
}

#[test]
fn never_begins_a_write_with_the_ff_that_autobahn_0_10_9_would_miss() {
    // An upstream in Hixie-75, whose message comes in two pieces: the second is the FF alone.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws+hixie75://{}", listener.local_addr().unwrap());
    let server = POLYSOCK.serve(&[&url]);
    let mut client = server.connect();
    client.send([HIXIE_76.as_bytes(), HIXIE_76_BODY].concat());
    let mut upstream = Client::over(listener.accept().unwrap().0);
    let asked = upstream.head();
    let origin = field(&asked, "Origin").unwrap();
    upstream.send(format!(
        "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\n\
         Connection: Upgrade\r\nWebSocket-Origin: {origin}\r\n\
         WebSocket-Location: ws://example.com/demo\r\n\r\n"
    ));
    assert_hixie_76(&client.head());
    client.expect(HIXIE_76_DIGEST);
    upstream.send(b"\0Hello");
    // The message is on its way before its end is known.
    client.expect(b"\0");
    upstream.send(b"\xff");
    assert_eq!(client.read_once(), b"Hello\xff");
}

// 7. Frames in pieces, and empty ones.

#[test]
fn reads_the_three_writes_of_pgriess() {
    let server = server();
    let mut client = hixie_76(&server);
    for text in ["Hello", "World", "x"] {
        client.send(b"\0");
        client.send(text);
        client.send(b"\xff");
        client.expect(hixie(text));
    }
    // That the first message is answered shows that the `00` behind it has been read alone.
    client.send(b"\0first\xff\0");
    client.expect(hixie("first"));
    client.send("second");
    client.send(b"\xff");
    client.expect(hixie("second"));
}

#[test]
fn echoes_the_empty_messages_of_phantomjs() {
    let server = server();
    let mut client = hixie_76(&server);
    client.send(b"\0\xff\0\xff\0x\xff\0\xff");
    client.expect(b"\0\xff\0\xff\0x\xff\0\xff");
}

// 8. Extensions: of what is offered, one kind of compression is accepted, or none.

/// `Hello`, compressed: the same bytes in both kinds.
const DEFLATED: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

#[track_caller]
fn assert_accepted(version: &str, offer: &str, answer: &str) {
    let server = server();
    let offer = format!("Sec-WebSocket-Extensions: {offer}\r\n");
    let (mut client, head) = open(&server, versioned(version, &offer));
    assert_eq!(field(&head, "Sec-WebSocket-Extensions"), Some(answer));
    assert_echo(&mut client, "Hello");
    client.send(frame(0xc1, DEFLATED));
    client.expect(b"\x81\x05Hello");
    // Whoever does not want it says so.
    let without = POLYSOCK.echo(&["--origin", "*", "--compression", "off"]);
    assert_declined(&without, version, &offer);
}

#[track_caller]
fn assert_declined(server: &Server, version: &str, offer: &str) {
    let (mut client, head) = open(server, versioned(version, offer));
    assert_eq!(field(&head, "Sec-WebSocket-Extensions"), None);
    assert_echo(&mut client, "Hello");
    // RSV1 was not agreed on: what is compressed all the same is refused.
    client.send(frame(0xc1, DEFLATED));
    let close = client.rest();
    assert_eq!(close[..1], [0x88]);
    assert_eq!(close[2..4], 1002u16.to_be_bytes());
}

/// What is answered to permessage-deflate.
const PERMESSAGE_DEFLATE: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

#[test]
fn accepts_the_compression_of_chromium() {
    let offer = "permessage-deflate; client_max_window_bits";
    assert_accepted("13", offer, PERMESSAGE_DEFLATE);
}

#[test]
fn accepts_one_of_the_two_compressions_of_chrome_32() {
    let offer = "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame";
    assert_accepted("13", offer, PERMESSAGE_DEFLATE);
}

#[test]
fn accepts_the_compression_of_firefox() {
    assert_accepted("13", "permessage-deflate", PERMESSAGE_DEFLATE);
}

#[test]
fn accepts_the_compression_of_qtwebkit_and_phantomjs_2() {
    let answer = "x-webkit-deflate-frame; no_context_takeover";
    assert_accepted("13", "x-webkit-deflate-frame", answer);
}

#[test]
fn accepts_the_compression_of_pywebsocket() {
    let answer = "deflate-frame; no_context_takeover";
    assert_accepted("13", "deflate-frame", answer);
}

#[test]
fn accepts_the_compression_that_ws_0_7_offers_in_version_8() {
    let offer = "permessage-deflate; client_max_window_bits";
    assert_accepted("8", offer, PERMESSAGE_DEFLATE);
}

#[test]
fn declines_the_deflate_stream_of_firefox_6() {
    let offer = "Sec-WebSocket-Extensions: deflate-stream\r\n";
    for version in ["7", "8", "13"] {
        assert_declined(&server(), version, offer);
    }
}

#[test]
fn declines_the_nothing_that_libwebsockets_offers() {
    assert_declined(&server(), "13", "Sec-WebSocket-Extensions: \r\n");
}

// 9. Subprotocols that are always offered.

#[test]
fn agrees_on_the_chat_that_websocket_client_0_5_1_always_offers() {
    let server = server();
    let offer = "Sec-WebSocket-Protocol: chat, superchat\r\n";
    let (mut client, head) = open(&server, versioned("13", offer));
    assert_eq!(field(&head, "Sec-WebSocket-Protocol"), Some("chat"));
    assert_echo(&mut client, "Hello");
}

// 10. Bugs of clients that are theirs: the answer is the specification's.

#[test]
fn sends_the_ruby_gem_a_digest_with_the_white_space_it_would_strip() {
    let server = server();
    let (mut client, head) = server.ask([HIXIE_76.as_bytes(), b"00042600"].concat());
    assert_hixie_76(&head);
    client.expect(b"\x20\xa3\x83\x43\x2e\x76\x34\x3c\x9e\xf8\x89\x5b\x4e\xbc\x44\x0a");
    assert_hixie_echo(&mut client, "Hello");
}

#[test]
fn takes_the_keys_of_websocket_client_0_3_as_unsigned() {
    let server = server();
    let request = HIXIE_76
        .replace("4 @1  46546xW%0l 1 5", "x4294967295 y")
        .replace("12998 5 Y3 1  .P00", "x4294967295 y");
    let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
    assert_hixie_76(&head);
    client.expect(b"\xf3\xdc\x6e\x12\x11\x75\xd8\xb7\xa7\x42\x4b\xc8\x40\x6f\xeb\xc8");
    assert_hixie_echo(&mut client, "Hello");
}

// 11. Keys that kill a server.

#[test]
fn survives_the_keys_that_kill_websocket_driver_0_7_5() {
    let mut server = server();
    for key in [
        // Over 32 bits also after the division, as the one that does it.
        "x99999999999 9",
        "x8589934592  y",
        "x18446744073709551616 y",
        "x9999999999999999999999999999999999999999 y",
    ] {
        let request = HIXIE_76.replace("4 @1  46546xW%0l 1 5", key);
        let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
        assert_status(&head, 400);
        client.gone();
    }
    assert_hixie_echo(&mut hixie_76(&server), "Hello");
    server.signal("TERM");
    let (code, log) = server.ends_within(PATIENCE);
    assert_eq!(code, Some(0));
    assert!(!log.contains("panicked"), "{log}");
}

// Segments.

/// A message from a client that has opened, in each framing, and its echo.
fn openings(server: &Server) -> Vec<(&'static str, Client, Vec<u8>, Vec<u8>)> {
    let mut openings = vec![("hixie-76", hixie_76(server), hixie("Hello"), hixie("Hello"))];
    let (client, head) = server.ask(HIXIE_75);
    assert!(
        head.starts_with("HTTP/1.1 101 Web Socket Protocol Handshake\r\n"),
        "{head}"
    );
    openings.push(("hixie-75", client, hixie("Hello"), hixie("Hello")));
    // MORE is not set, and opcode 4 is text.
    for draft in ["1", "2", "3"] {
        let request = with(HIXIE_76, &format!("Sec-WebSocket-Draft: {draft}\r\n"));
        let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
        assert_hixie_76(&head);
        client.expect(HIXIE_76_DIGEST);
        let frame = b"\x04\x05Hello".to_vec();
        openings.push(("hybi-01 to 03", client, frame.clone(), frame));
    }
    // The mask covers the header too (PROTOCOLS 9.3).
    for version in ["5", "6"] {
        let (client, _) = open(server, versioned(version, ""));
        let frame = b"\x37\xfa\x21\x3d\xb3\xff\x69\x58\x5b\x96\x4e".to_vec();
        openings.push(("hybi-05, 06", client, frame, b"\x84\x05Hello".to_vec()));
    }
    for version in ["7", "8", "13"] {
        let (client, head) = open(server, versioned(version, ""));
        assert_eq!(field(&head, "Sec-WebSocket-Accept"), Some(RFC6455_ACCEPT));
        let frame = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec();
        openings.push(("hybi-07 to 13", client, frame, b"\x81\x05Hello".to_vec()));
    }
    openings
}

#[test]
fn reads_two_frames_in_one_segment() {
    let server = server();
    for (_, mut client, frame, echo) in openings(&server) {
        client.send([&frame[..], &frame].concat());
        client.expect([&echo[..], &echo].concat());
    }
}

#[test]
fn reads_a_frame_a_byte() {
    let server = server();
    for (_, mut client, frame, echo) in openings(&server) {
        for _ in 0..3 {
            client.send_bytewise(&frame);
            client.expect(&echo);
        }
    }
}

#[test]
fn reads_a_frame_whose_beginning_came_with_the_one_before() {
    let server = server();
    for (name, mut client, frame, echo) in openings(&server) {
        for cut in 1..frame.len() {
            let (begin, rest) = frame.split_at(cut);
            client.send([&frame[..], begin].concat());
            // The echo shows that the beginning has been read, and that nothing came of it.
            client.expect(&echo);
            client.send(rest);
            assert_eq!(client.take(echo.len()), echo, "{name}, cut at {cut}");
        }
    }
}

#[test]
fn reads_the_first_frame_glued_to_the_eight_bytes() {
    let server = server();
    let glued = [HIXIE_76_BODY, &hixie("Hello"), &hixie("World")].concat();
    let answer = [HIXIE_76_DIGEST, &hixie("Hello"), &hixie("World")].concat();
    let mut client = server.connect();
    client.send([HIXIE_76.as_bytes(), &glued].concat());
    assert_hixie_76(&client.head());
    client.expect(&answer);
    // The same behind a proxy that holds the eight bytes back.
    let (mut client, head) = server.ask(HIXIE_76);
    assert_hixie_76(&head);
    client.send(&glued);
    client.expect(&answer);
}

#[test]
fn reads_a_frame_glued_to_the_head_of_rfc_6455() {
    let server = server();
    let (mut client, _) = open(
        &server,
        [RFC6455.as_bytes(), &frame(0x81, "Hello")].concat(),
    );
    client.expect(b"\x81\x05Hello");
}

// Draft 2, which says nothing about the framing.

/// gevent-websocket 0.3: the eight bytes only behind our 101, and then `00 … FF`.
fn gevent(server: &Server) -> Client {
    let request = with(HIXIE_76, "Sec-WebSocket-Draft: 2\r\n");
    let (mut client, head) = server.ask(request);
    assert_hixie_76(&head);
    client.send(HIXIE_76_BODY);
    client.expect(HIXIE_76_DIGEST);
    client
}

#[test]
fn serves_gevent_websocket_0_3_also_where_hybi_02_is_enabled() {
    let mut server = server();
    let mut client = gevent(&server);
    assert!(server.log_line("open").contains("hybi-02"));
    assert_hixie_echo(&mut client, "Hello");
    client.send(b"\xff\0");
    assert_eq!(client.rest(), b"\xff\0");
}

#[test]
fn serves_gevent_websocket_0_3_with_the_default_protocols() {
    let mut server = POLYSOCK.serve(&["--app", "echo"]);
    let mut client = gevent(&server);
    assert!(server.log_line("open").contains("hixie-76"));
    assert_hixie_echo(&mut client, "Hello");
    client.send(b"\xff\0");
    assert_eq!(client.rest(), b"\xff\0");
}

#[test]
fn speaks_first_to_gevent_websocket_0_3_in_the_old_framing() {
    let server = POLYSOCK.serve(&["--app", "chat", "--protocols", "all"]);
    let request = with(HIXIE_76, "Sec-WebSocket-Draft: 2\r\n").replace("/demo", "/?name=gevent");
    let (mut client, head) = server.ask(request);
    assert_hixie_76(&head);
    client.send(HIXIE_76_BODY);
    client.expect(HIXIE_76_DIGEST);
    client.expect(hixie("welcome\tgevent\thybi-02"));
}

#[test]
fn serves_the_mtgox_client_which_announces_draft_2_and_the_eight_bytes() {
    for protocols in ["default", "all"] {
        let server = POLYSOCK.serve(&["--app", "echo", "--protocols", protocols]);
        let fields = "Sec-WebSocket-Draft: 2\r\nContent-Length: 8\r\n";
        let request = with(HIXIE_76, fields).replace("http://example.com", "websocket.mtgox.com");
        let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
        assert_hixie_76(&head);
        let origin = field(&head, "Sec-WebSocket-Origin");
        assert_eq!(origin, Some("websocket.mtgox.com"));
        client.expect(HIXIE_76_DIGEST);
        assert_hixie_echo(&mut client, "Hello");
    }
}

// Flash.

#[test]
fn answers_the_policy_request_of_flash_for_its_own_port() {
    let server = server();
    let policy = format!(
        "<?xml version=\"1.0\"?><cross-domain-policy><allow-access-from domain=\"*\" \
         to-ports=\"{}\"/></cross-domain-policy>\0",
        server.address.port()
    );
    for request in [
        "<policy-file-request/>\0",
        "<policy-file-request />\0",
        "<POLICY-FILE-REQUEST/>\0",
        "<policy-file-request/>",
    ] {
        let mut client = server.connect();
        client.send_bytewise(request);
        assert_eq!(client.rest(), policy.as_bytes(), "{request}");
    }
}

#[test]
fn answers_no_policy_request_unless_told_to() {
    let server = POLYSOCK.echo(&[]);
    let mut client = server.connect();
    client.send("<policy-file-request/>\0");
    client.gone();
}

// Versions that nobody speaks.

#[test]
fn tells_a_client_of_an_unknown_version_which_there_are() {
    for (protocols, list) in [
        ("default", "13, 8, 7"),
        ("all", "13, 8, 7, 6, 5, 4"),
        ("rfc6455", "13"),
    ] {
        let server = POLYSOCK.serve(&["--app", "echo", "--protocols", protocols]);
        for version in ["9", "12", "14", "777"] {
            let (mut client, head) = server.ask(versioned(version, ""));
            assert_status(&head, 426);
            assert_eq!(field(&head, "Sec-WebSocket-Version"), Some(list));
            assert_eq!(field(&head, "Upgrade"), Some("websocket"));
            assert_eq!(field(&head, "Connection"), Some("Upgrade, close"));
            let length: usize = field(&head, "Content-Length").unwrap().parse().unwrap();
            assert_eq!(client.rest().len(), length);
        }
    }
}

#[test]
fn sends_an_opera_11_back_where_its_protocol_is_not_enabled() {
    let server = POLYSOCK.serve(&["--app", "echo", "--protocols", "modern"]);
    let (mut client, head) = server.ask([HIXIE_76.as_bytes(), HIXIE_76_BODY].concat());
    assert_status(&head, 400);
    let body = String::from_utf8(client.rest()).unwrap();
    assert!(body.contains("hixie-76 is not enabled"), "{body}");
}

// Ends.

#[test]
fn delivers_what_came_before_the_fin_of_a_hixie_75_client() {
    let mut server = server();
    let (mut client, _) = server.ask(HIXIE_75);
    client.send(hixie("last words"));
    client.finish();
    assert_eq!(client.rest(), hixie("last words"));
    // Its only way to say goodbye.
    assert!(server.log_line(" close ").contains("code=1005"));
}

#[test]
fn takes_the_ff_00_of_flash_which_hangs_up_at_once() {
    let mut server = server();
    let mut client = hixie_76(&server);
    client.send(b"\0bye\xff\xff\0");
    drop(client);
    assert!(server.log_line(" close ").contains("code=1005"));
}

#[test]
fn answers_the_empty_close_of_chrome_14_with_an_empty_one() {
    let server = server();
    let (mut client, _) = open(&server, versioned("8", ""));
    client.send(b"\x88\x80\0\0\0\0");
    assert_eq!(client.rest(), b"\x88\x00");
}

#[test]
fn takes_the_long_form_of_the_length_from_firefox_6() {
    let server = server();
    let (mut client, _) = open(&server, versioned("7", ""));
    let text = "x".repeat(65535);
    client.send(b"\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0");
    client.send(&text);
    client.expect(b"\x81\x7e\xff\xff");
    client.expect(&text);
}

#[test]
fn keeps_quiet_to_the_unsolicited_pongs_of_ie_10() {
    let server = server();
    let (mut client, _) = open(&server, RFC6455);
    client.send([frame(0x8a, ""), frame(0x8a, "there")].concat());
    assert_echo(&mut client, "Hello");
}

#[test]
fn refuses_the_unmasked_frames_of_the_mtgox_client_in_version_6() {
    let server = server();
    let (mut client, _) = open(&server, versioned("6", ""));
    client.send(b"\x80\x05Hello\x80\x05World");
    let close = client.rest();
    assert_eq!(close[0], 0x81);
    assert_eq!(close[2..4], 1002u16.to_be_bytes());
}
