//! Messages to and from the origin, once a client is admitted.

use std::time::{Duration, Instant};

use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::grip::{Answer, EVENTS, Event};
use polysock_test_support::opening::RFC6455;

use super::{Gateway, SILENCE};

#[test]
fn messages_and_events_are_converted_one_to_one() {
    let gateway = Gateway::new(&[]);
    let mut client = gateway.opens(&[]);
    for (opcode, kind, content) in [
        (0x81, "TEXT", &b"hello"[..]),
        (0x81, "TEXT", "h\u{e9} \u{2603}".as_bytes()),
        (0x81, "TEXT", b""),
        (0x81, "TEXT", b"a\r\nTEXT 1\r\nb\r\n"),
        (0x81, "TEXT", &[b'x'; 300]),
        (0x82, "BINARY", b"\0\xff"),
        (0x82, "BINARY", b""),
        (0x82, "BINARY", &[0xaa; 70_000]),
    ] {
        client.send(frame(opcode, content));
        let post = gateway.origin.post();
        let head = format!("{kind} {:x}\r\n", content.len());
        assert!(
            post.body == [head.as_bytes(), content, b"\r\n"].concat(),
            "{}",
            post.body.escape_ascii()
        );
        assert_eq!(post.field("Content-Type"), Some(EVENTS));
        assert_eq!(post.field("Accept"), Some(EVENTS));
        assert_eq!(post.field("Transfer-Encoding"), None);
        assert_eq!(post.field("Host"), Some("server.example.com"));
        assert_eq!(post.line, "POST /chat HTTP/1.1");
        let echo = Event::of(kind, [b"m:", content].concat());
        post.answer(Answer::events(&[echo]));
        client.expect(unmasked(opcode, content));
    }
}

#[test]
fn a_message_in_fragments_is_one_event() {
    let gateway = Gateway::new(&[]);
    let mut client = gateway.opens(&[]);
    for (first, part) in [(0x01, "one "), (0x00, "two "), (0x80, "three")] {
        client.send(frame(first, part));
    }
    let whole = [Event::text("one two three")];
    gateway.origin.answers(&whole, &[]);
}

#[test]
fn messages_during_a_request_are_sent_together_in_the_next() {
    let gateway = Gateway::new(&[]);
    let mut client = gateway.opens(&[]);
    client.send(frame(0x81, "first"));
    let first = gateway.origin.post();
    assert_eq!(first.body, b"TEXT 5\r\nfirst\r\n");
    for number in 0..20 {
        client.send(frame(0x81, format!("{number}")));
    }
    client.send(frame(0x82, b"\xff"));
    gateway.origin.is_left_alone(SILENCE);
    first.answer(Answer::events(&[]));
    let mut expected: Vec<_> = (0..20)
        .map(|number| Event::text(&number.to_string()))
        .collect();
    expected.push(Event::of("BINARY", b"\xff"));
    gateway.origin.answers(&expected, &[Event::text("m:done")]);
    client.expect(unmasked(0x81, "done"));
    // Another client is not blocked.
    client.send(frame(0x81, "held"));
    let held = gateway.origin.post();
    let mut other = gateway.opens(&[]);
    other.send(frame(0x81, "free"));
    gateway.origin.answers(&[Event::text("free")], &[]);
    held.answer(Answer::events(&[]));
}

#[test]
fn with_grip_only_prefixed_messages_are_sent() {
    let gateway = Gateway::new(&[]);
    let mut client = gateway.opens(&[]);
    client.send(frame(0x81, "x"));
    let events = [
        Event::text("raw"),
        Event::of("BINARY", b"raw"),
        Event::text("M:raw"),
        Event::text(""),
        Event::text("m:"),
        Event::of("BINARY", b"m:m:\xff"),
    ];
    gateway.origin.answers(&[Event::text("x")], &events);
    client.expect(unmasked(0x81, ""));
    client.expect(unmasked(0x82, b"m:\xff"));
}

#[test]
fn with_an_empty_prefix_all_messages_but_control_messages_are_sent() {
    let gateway = Gateway::new(&[]);
    let open = [
        Event::bare("OPEN"),
        Event::text("raw"),
        Event::subscribe("t"),
    ];
    let open = [&open[..], &[Event::text("m:raw")]].concat();
    for extension in ["grip; message-prefix=\"\"", "grip;message-prefix=\"\""] {
        let answer = Answer::events(&open).with("Sec-WebSocket-Extensions", extension);
        let (mut client, _) = gateway.tells(RFC6455, answer, 101);
        client.expect(unmasked(0x81, "raw"));
        client.expect(unmasked(0x81, "m:raw"));
        drop(client);
        gateway.origin.answers(&[Event::bare("DISCONNECT")], &[]);
    }
    let answer =
        Answer::events(&open).with("Sec-WebSocket-Extensions", "grip; message-prefix=\"m:r\"");
    let (mut client, _) = gateway.tells(RFC6455, answer, 101);
    client.expect(unmasked(0x81, "aw"));
}

#[test]
fn without_grip_all_messages_are_sent_unchanged() {
    let gateway = Gateway::new(&[]);
    let said = [
        Event::text("m:marked"),
        Event::subscribe("test"),
        Event::text(""),
    ];
    let open = [&[Event::bare("OPEN")], &said[..]].concat();
    let (mut client, _) = gateway.tells(RFC6455, Answer::events(&open), 101);
    for event in &said {
        client.expect(unmasked(0x81, event.content.as_ref().unwrap()));
    }
}

#[test]
fn an_event_without_a_size_is_an_empty_message() {
    let gateway = Gateway::new(&[]);
    let open = [
        Event::bare("OPEN"),
        Event::bare("TEXT"),
        Event::bare("BINARY"),
    ];
    let (mut client, _) = gateway.tells(RFC6455, Answer::events(&open), 101);
    client.expect(unmasked(0x81, ""));
    client.expect(unmasked(0x82, ""));
}

#[test]
fn the_gateway_answers_pings_and_sends_those_of_the_origin() {
    let gateway = Gateway::new(&[]);
    let mut client = gateway.opens(&[]);
    client.send(frame(0x89, "mine"));
    client.expect(unmasked(0x8a, "mine"));
    client.send(frame(0x8a, "unasked"));
    client.send(frame(0x81, "x"));
    let events = [
        Event::of("PING", "yours"),
        Event::of("PONG", "late"),
        Event::text("m:y"),
    ];
    gateway.origin.answers(&[Event::text("x")], &events);
    client.expect(unmasked(0x89, "yours"));
    // The origin's PONG is not sent, since the client has no ping outstanding.
    client.send(frame(0x8a, "yours"));
    client.expect(unmasked(0x81, "y"));
    gateway.origin.is_left_alone(SILENCE);
}

#[test]
fn metadata_of_the_origin_is_included_in_each_request() {
    let gateway = Gateway::new(&[]);
    let open = Answer::accept(&[])
        .with("Set-Meta-User", "alice")
        .with("set-meta-room", "7");
    let (mut client, _) = gateway.tells(RFC6455, open, 101);
    // The fields set in each answer, and the metadata in the request after it.
    for (set, told) in [
        (&[][..], [Some("alice"), Some("7")]),
        (&[("Set-Meta-User", "bob")], [Some("alice"), Some("7")]),
        (&[("Set-Meta-Room", "")], [Some("bob"), Some("7")]),
        (&[], [Some("bob"), None]),
    ] {
        client.send(frame(0x81, "x"));
        let post = gateway.origin.post();
        assert_eq!([post.field("Meta-User"), post.field("Meta-Room")], told);
        let answer = Answer::events(&[Event::text("m:x")]);
        let answer = set
            .iter()
            .fold(answer, |answer, (name, value)| answer.with(name, value));
        post.answer(answer);
        client.expect(unmasked(0x81, "x"));
    }
}

#[test]
fn no_message_is_lost_if_the_origin_closes_its_connection() {
    let gateway = Gateway::new(&[]);
    let mut client = gateway.opens(&[]);
    for (is_announced, text) in [
        (true, "one"),
        (false, "two"),
        (true, "three"),
        (false, "four"),
    ] {
        client.send(frame(0x81, text));
        let post = gateway.origin.post();
        assert_eq!(post.events(), [Event::text(text)]);
        let answer = Answer::events(&[Event::text("m:x")]).hanging_up();
        post.answer(match is_announced {
            true => answer.with("Connection", "close"),
            false => answer,
        });
        client.expect(unmasked(0x81, "x"));
        if !is_announced {
            // The connection ends after the answer.
            gateway.origin.is_left_alone(SILENCE);
        }
    }
}

#[test]
fn an_idle_origin_is_posted_to_at_its_keep_alive_interval() {
    let gateway = Gateway::new(&[]);
    // Intervals below twenty seconds are raised to twenty.
    let open = Answer::accept(&[]).with("Keep-Alive-Interval", "1");
    let (mut client, _) = gateway.tells(RFC6455, open, 101);
    let begun = Instant::now();
    let post = gateway.origin.post_within(Duration::from_secs(40));
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(19), "{took:?}");
    assert_eq!(post.body, b"");
    assert_eq!(post.field("Content-Length"), Some("0"));
    post.answer(Answer::events(&[Event::text("m:still here")]));
    client.expect(unmasked(0x81, "still here"));
}
