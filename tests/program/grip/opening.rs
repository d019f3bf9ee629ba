//! The opening handshake, which the origin decides.

use std::net::TcpListener;

use polysock_test_support::client::Client;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::grip::{Answer, EVENTS, Event};
use polysock_test_support::http2;
use polysock_test_support::opening::{HIXIE_75, RFC6455, field, with};

use super::{Gateway, SILENCE};
use crate::POLYSOCK;

#[test]
fn the_origin_receives_the_request_of_the_client() {
    let gateway = Gateway::new(&[]);
    let request = with(
        &RFC6455.replace("/chat", "/a/b?x=1&y=%20"),
        "Origin: http://o.example\r\nCookie: a=b\r\nAuthorization: Basic YTpi\r\n\
         Sec-WebSocket-Protocol: chat, x\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\
         Accept-Encoding: gzip\r\n",
    );
    let (_client, post) = gateway.asks(&request);
    assert_eq!(post.line, "POST /a/b?x=1&y=%20 HTTP/1.1");
    assert_eq!(post.body, b"OPEN\r\n");
    for (name, value) in [
        ("Host", Some("server.example.com")),
        ("Origin", Some("http://o.example")),
        ("Cookie", Some("a=b")),
        ("Authorization", Some("Basic YTpi")),
        ("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZQ==")),
        ("Sec-WebSocket-Version", Some("13")),
        ("Sec-WebSocket-Protocol", Some("chat, x")),
        ("Sec-WebSocket-Extensions", Some("grip")),
        ("Polysock-Protocol", Some("rfc6455")),
        ("Accept", Some(EVENTS)),
        ("Content-Type", Some(EVENTS)),
        ("Content-Length", Some("6")),
        ("Transfer-Encoding", None),
        ("Accept-Encoding", None),
        ("Upgrade", None),
        ("Grip-Sig", None),
    ] {
        assert_eq!(post.field(name), value, "{name}");
    }
}

#[test]
fn a_connection_has_an_id_which_no_other_has() {
    let gateway = Gateway::new(&[]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (mut client, post) = gateway.asks(RFC6455);
        let id = post.field("Connection-Id").unwrap().to_owned();
        post.answer(Answer::accept(&[]));
        client.head();
        client.send(frame(0x81, "again"));
        let again = gateway.origin.post();
        assert_eq!(again.field("Connection-Id"), Some(&*id));
        assert_eq!(again.field("Polysock-Protocol"), Some("rfc6455"));
        assert!(!id.is_empty() && !ids.contains(&id), "{id} of {ids:?}");
        ids.push(id);
    }
}

#[test]
fn fields_that_are_the_gateways_cannot_be_forged() {
    let gateway = Gateway::new(&[]);
    let forged = "Grip-Sig: forged\r\nGrip-Last: forged\r\nMeta-User: forged\r\nmeta-group: forged\r\n\
        Connection-Id: forged\r\nAccept: text/forged\r\nPolysock-Protocol: forged\r\n";
    let (mut client, post) = gateway.asks(with(RFC6455, forged));
    let told =
        |fields: &[(String, String)]| fields.iter().any(|(_, value)| value.contains("forged"));
    assert!(!told(&post.fields), "{post:?}");
    post.answer(Answer::accept(&[]).with("Set-Meta-User", "alice"));
    client.head();
    client.send(frame(0x81, "again"));
    let post = gateway.origin.post();
    assert!(!told(&post.fields), "{post:?}");
    assert_eq!(post.field("Meta-User"), Some("alice"));
}

#[test]
fn a_client_gets_only_the_fields_meant_for_it() {
    let gateway = Gateway::new(&[]);
    let offer = with(RFC6455, "Sec-WebSocket-Protocol: chat, x\r\n");
    let answer = Answer::accept(&[])
        .with("Set-Cookie", "a=b")
        .with("Set-Cookie", "c=d")
        .with("X-Any", "thing")
        .with("Content-Language", "en")
        .with("Keep-Alive-Interval", "60")
        .with("Set-Meta-User", "alice");
    let (_client, head) = gateway.tells(&offer, answer.clone(), 101);
    let cookies: Vec<_> = head
        .lines()
        .filter(|line| line.to_ascii_lowercase().starts_with("set-cookie: "))
        .map(|line| &line["set-cookie: ".len()..])
        .collect();
    assert_eq!(cookies, ["a=b", "c=d"]);
    assert_eq!(field(&head, "X-Any"), Some("thing"));
    for private in [
        "Content-Type",
        "Content-Length",
        "Content-Language",
        "Keep-Alive-Interval",
        "Set-Meta-User",
        "Sec-WebSocket-Extensions",
        // The origin has selected no subprotocol.
        "Sec-WebSocket-Protocol",
    ] {
        assert_eq!(field(&head, private), None, "{head}");
    }
    let answer = answer.with("Sec-WebSocket-Protocol", "chat");
    let (_client, head) = gateway.tells(&offer, answer, 101);
    assert_eq!(field(&head, "Sec-WebSocket-Protocol"), Some("chat"));
}

#[test]
fn messages_of_the_first_answer_follow_the_handshake() {
    let gateway = Gateway::new(&[]);
    let mut client = gateway.opens(&[Event::text("m:hello"), Event::of("BINARY", b"m:\0\xff")]);
    client.expect(unmasked(0x81, "hello"));
    client.expect(unmasked(0x82, b"\0\xff"));
    let closed = [Event::text("m:go away"), Event::close(4003, "no room")];
    let mut client = gateway.opens(&closed);
    client.expect(unmasked(0x81, "go away"));
    client.expect(unmasked(0x88, b"\x0f\xa3no room"));
}

#[test]
fn a_refusal_of_the_origin_is_passed_on() {
    let gateway = Gateway::new(&[]);
    for request in [RFC6455, HIXIE_75] {
        for (status, content_type) in [
            (403, "text/plain"),
            (401, "text/html; charset=utf-8"),
            (302, "text/plain"),
            (500, "text/plain"),
            // A page that does not support WebSockets.
            (200, "text/plain"),
            // This answer does not accept the handshake either.
            (403, EVENTS),
        ] {
            let answer = Answer::page(status, content_type, b"no\n".to_vec())
                .with("Location", "/login")
                .with("Set-Cookie", "a=b");
            let (mut client, head) = gateway.tells(request, answer, status);
            for (name, value) in [
                ("Content-Type", content_type),
                ("Location", "/login"),
                ("Set-Cookie", "a=b"),
            ] {
                assert_eq!(field(&head, name), Some(value), "{status}: {head}");
            }
            client.expect("no\n");
        }
    }
    gateway.origin.is_left_alone(SILENCE);
}

#[test]
fn an_answer_that_accepts_nothing_is_a_bad_gateway() {
    let gateway = Gateway::new(&[]);
    let long = "x".repeat(1_000_001);
    for (what, answer) in [
        ("nothing", Answer::events(&[])),
        ("a text", Answer::events(&[Event::text("m:hello")])),
        ("a close", Answer::events(&[Event::close(4000, "")])),
        ("no events", Answer::page(200, EVENTS, b"hello".to_vec())),
        (
            "half",
            Answer::page(200, EVENTS, b"OPEN\r\nTEXT 5\r\nhel".to_vec()),
        ),
        ("too much", Answer::accept(&[Event::text(&long)])),
        ("the half of it", Answer::accept(&[]).cut_after(3)),
    ] {
        let (client, head) = gateway.tells(RFC6455, answer, 502);
        assert!(!head.contains("websocket-events"), "{what}: {head}");
        drop(client);
    }
    gateway.origin.is_left_alone(SILENCE);
}

#[test]
fn an_unreachable_origin_is_a_bad_gateway() {
    let address = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap();
    let server = POLYSOCK.serve(&[&format!("http+grip://{address}")]);
    server.answers(RFC6455, 502);
}

#[test]
fn a_missing_answer_is_a_timeout_and_the_request_is_not_repeated() {
    let gateway = Gateway::with("grip-slow", "answer_timeout = \"300ms\"\n");
    let (mut client, post) = gateway.asks(RFC6455);
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
    post.answer(Answer::accept(&[]));
    gateway.origin.is_left_alone(SILENCE);
}

#[test]
fn a_stream_of_http_2_is_a_client_like_any() {
    http2::run(async {
        let gateway = Gateway::new(&[]);
        let mut peer = http2::Peer::connect(gateway.server.address).await;
        let fields = [("sec-websocket-version", "13"), ("cookie", "a=b")];
        let (response, sender) = peer.begin("websocket", "/h2?x=1", &fields).await;
        let post = gateway.origin.post();
        assert_eq!(post.line, "POST /h2?x=1 HTTP/1.1");
        for (name, value) in [
            ("Host", "localhost"),
            ("Cookie", "a=b"),
            ("Polysock-Protocol", "rfc6455"),
            ("Sec-WebSocket-Extensions", "grip"),
        ] {
            assert_eq!(post.field(name), Some(value), "{name}");
        }
        post.answer(Answer::accept(&[Event::text("m:hello")]));
        let mut socket = http2::Socket::of(response.await.unwrap(), sender);
        socket.expect(unmasked(0x81, "hello")).await;
        socket.send(frame(0x81, "ho")).await;
        let echo = [Event::text("m:ho")];
        gateway.origin.answers(&[Event::text("ho")], &echo);
        socket.expect(unmasked(0x81, "ho")).await;
        socket.send(frame(0x88, b"\x03\xe8fin")).await;
        socket.expect(unmasked(0x88, b"\x03\xe8fin")).await;
        gateway.origin.answers(&[Event::close(1000, "fin")], &[]);
    });
}

/// Messages of a client are not sent to the origin before it has admitted the client.
#[test]
fn messages_sent_with_the_handshake_wait_for_the_answer() {
    let gateway = Gateway::new(&[]);
    let early = [RFC6455.as_bytes(), &frame(0x81, "early")].concat();
    let (mut client, post): (Client, _) = gateway.asks(early);
    assert_eq!(post.body, b"OPEN\r\n");
    gateway.origin.is_left_alone(SILENCE);
    post.answer(Answer::accept(&[]));
    client.head();
    gateway.origin.answers(&[Event::text("early")], &[]);
}
