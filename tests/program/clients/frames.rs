//! Frames: written whole, and read in any pieces.

use std::net::TcpListener;

use polysock_test_support::client::Client;
use polysock_test_support::frame::frame;
use polysock_test_support::opening::{
    HIXIE_75, HIXIE_76, HIXIE_76_BODY, HIXIE_76_DIGEST, RFC6455, RFC6455_ACCEPT, field, versioned,
    with,
};
use polysock_test_support::server::Server;

use super::{assert_echo, assert_hixie_76, hixie, hixie_76, open, server};
use crate::POLYSOCK;

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
    // A hixie-75 upstream, whose message arrives in two pieces. The second is only the FF.
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
    // The beginning of the message is forwarded before its end is known.
    client.expect(b"\0");
    upstream.send(b"\xff");
    assert_eq!(client.read_once(), b"Hello\xff");
}

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
    // The echo of the first message shows that the `00` after it was read alone.
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

/// Returns, for each framing, an open client, a message and its echo.
fn openings(server: &Server) -> Vec<(&'static str, Client, Vec<u8>, Vec<u8>)> {
    let mut openings = vec![("hixie-76", hixie_76(server), hixie("Hello"), hixie("Hello"))];
    let (client, head) = server.ask(HIXIE_75);
    assert!(
        head.starts_with("HTTP/1.1 101 Web Socket Protocol Handshake\r\n"),
        "{head}"
    );
    openings.push(("hixie-75", client, hixie("Hello"), hixie("Hello")));
    // In this framing a clear MORE bit ends a message, and opcode 4 is text.
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
fn reads_a_frame_whose_beginning_arrived_with_the_previous_frame() {
    let server = server();
    for (name, mut client, frame, echo) in openings(&server) {
        for cut in 1..frame.len() {
            let (begin, rest) = frame.split_at(cut);
            client.send([&frame[..], begin].concat());
            // The echo shows that the beginning has been read, and has caused no output.
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
