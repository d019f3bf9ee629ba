//! Clients of every protocol before the same origin.

use std::time::Duration;

use polysock::protocols::{CloseForm, Event as Heard, PROTOCOLS, find_protocol};
use polysock::{Close, CloseCode, Kind, Piece};
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::grip::{Answer, Event};
use polysock_test_support::wire_peer::{Seen, WirePeer};

use super::{Gateway, SILENCE, dial};

/// Ends a connection, and asserts that the origin is notified.
#[track_caller]
fn leaves(gateway: &Gateway, peer: WirePeer) {
    drop(peer);
    let post = gateway.origin.post();
    let events = post.events();
    assert!(
        matches!(&events[..], [event] if event.kind == "CLOSE" || event.kind == "DISCONNECT"),
        "{events:?}"
    );
    post.answer(Answer::events(&[]));
}

/// Reads the next message whole.
fn message(peer: &mut WirePeer) -> (Kind, Vec<u8>) {
    let mut whole = Vec::new();
    loop {
        let Seen::Event(Heard::Data(piece)) = peer.see() else {
            panic!("no message behind {}", whole.escape_ascii());
        };
        let Piece { kind, payload, end } = piece;
        whole.extend(payload);
        if end {
            return (kind, whole);
        }
    }
}

/// Returns true if a field name starts with `beginning`.
fn has(fields: &[(String, String)], beginning: &str) -> bool {
    let is_it = |(name, _): &(String, String)| {
        let name = name.to_ascii_lowercase();
        name.starts_with(&beginning.to_ascii_lowercase())
    };
    fields.iter().any(is_it)
}

#[test]
fn the_origin_receives_the_protocol_of_a_client_and_may_ignore_it() {
    let gateway = Gateway::new(&[]);
    for protocol in PROTOCOLS {
        let name = protocol.name();
        let (mut peer, fields) = dial(&gateway, *protocol);
        let told = ("polysock-protocol".to_owned(), name.to_owned());
        let lower = |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.clone());
        assert!(
            fields.iter().map(lower).any(|field| field == told),
            "{fields:?}"
        );
        if name.starts_with("hixie") {
            assert!(!has(&fields, "Sec-WebSocket-Key"), "{name}: {fields:?}");
        }
        assert!(!has(&fields, "Upgrade"), "{name}: {fields:?}");
        peer.send_text("h\u{e9}".as_bytes(), true);
        let post = gateway.origin.post();
        assert_eq!(post.field("Polysock-Protocol"), Some(name));
        assert_eq!(post.events(), [Event::text("h\u{e9}")], "{name}");
        // Frames that the protocol lacks are left out.
        let events = [Event::of("PING", "p"), Event::text("m:\u{2603}")];
        post.answer(Answer::events(&events));
        if protocol.capabilities().ping {
            assert_eq!(peer.see(), Seen::Event(Heard::Ping("p".into())), "{name}");
        }
        assert_eq!(
            message(&mut peer),
            (Kind::Text, "\u{2603}".into()),
            "{name}"
        );
        leaves(&gateway, peer);
    }
}

#[test]
fn a_client_closes_as_its_protocol_can() {
    let gateway = Gateway::new(&[]);
    let fin = Close {
        code: CloseCode::new(1001).unwrap(),
        reason: "fin".into(),
    };
    for protocol in PROTOCOLS {
        let (mut peer, _) = dial(&gateway, *protocol);
        let (said, posted) = match protocol.capabilities().close {
            CloseForm::Code => (Some(Some(fin.clone())), Event::close(1001, "fin")),
            CloseForm::Bare => (Some(None), Event::bare("CLOSE")),
            // The end of the stream is the close.
            CloseForm::Eof => (None, Event::bare("CLOSE")),
        };
        match said {
            Some(close) => {
                assert!(peer.send(Heard::Close(close.clone())));
                assert_eq!(peer.see(), Seen::Event(Heard::Close(close)));
            }
            None => peer.hang_up(),
        }
        gateway.origin.answers(&[posted], &[]);
    }
    gateway.origin.is_left_alone(SILENCE);
}

#[test]
fn a_close_of_the_origin_is_reduced_to_what_the_protocol_supports() {
    let gateway = Gateway::new(&[]);
    let done = Close {
        code: CloseCode::new(1001).unwrap(),
        reason: "done".into(),
    };
    for protocol in PROTOCOLS {
        let (mut peer, _) = dial(&gateway, *protocol);
        peer.send_text(b"bye", true);
        let events = [Event::text("m:last"), Event::close(1001, "done")];
        gateway.origin.answers(&[Event::text("bye")], &events);
        assert_eq!(message(&mut peer), (Kind::Text, b"last".into()));
        let seen = match protocol.capabilities().close {
            CloseForm::Code => Seen::Event(Heard::Close(Some(done.clone()))),
            CloseForm::Bare => Seen::Event(Heard::Close(None)),
            CloseForm::Eof => Seen::End,
        };
        assert_eq!(peer.see(), seen, "{}", protocol.name());
    }
}

#[test]
fn a_client_without_binary_messages_is_closed_or_has_base64() {
    let hixie_76 = find_protocol("hixie-76").unwrap();
    let binary = Event::of("BINARY", b"m:\xff\xff\xff");
    let gateway = Gateway::new(&[]);
    let (mut peer, _) = dial(&gateway, hixie_76);
    peer.send_text(b"x", true);
    let events = [binary.clone(), Event::text("m:never")];
    gateway.origin.answers(&[Event::text("x")], &events);
    assert!(
        matches!(peer.see(), Seen::Event(Heard::Close(None)) | Seen::End),
        "it is closed"
    );
    let gateway = Gateway::new(&["--binary-over-text", "base64"]);
    let (mut peer, _) = dial(&gateway, hixie_76);
    peer.send_text(b"x", true);
    gateway.origin.answers(&[Event::text("x")], &[binary]);
    assert_eq!(message(&mut peer), (Kind::Text, b"////".into()));
}

#[test]
fn only_clients_of_protocols_with_pings_are_pinged() {
    let interval = Duration::from_millis(300);
    let gateway = Gateway::new(&["--ping-interval", "300ms", "--pong-timeout", "300ms"]);
    let (mut old, _) = dial(&gateway, find_protocol("hixie-76").unwrap());
    let mut new = gateway.opens(&[]);
    new.expect(unmasked(0x89, ""));
    new.send(frame(0x8a, ""));
    // None of these frames reaches the origin.
    gateway.origin.is_left_alone(interval);
    old.send_text(b"x", true);
    gateway
        .origin
        .answers(&[Event::text("x")], &[Event::text("m:y")]);
    assert_eq!(message(&mut old), (Kind::Text, b"y".into()));
}
