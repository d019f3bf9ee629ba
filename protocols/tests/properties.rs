//! Properties of every protocol, in both roles, however its bytes are cut.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

#[path = "support/strategies.rs"]
mod strategies;
mod support;

use std::ops::ControlFlow;

use bytes::BytesMut;
use polysock_protocols::http::{Head, HeadLimits, HeadScanner};
use polysock_protocols::{
    Event, Kind, Match, Message, PROTOCOLS, Piece, Protocol, Session, SessionConfig,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use strategies::{as_base64, chunks, connection, ending, events, sends};
use support::{Joined, Setup, borrowed, cut, decode, drain, encode, merge};

/// Fields that determine the protocol of a request, with significant values.
const FIELDS: &[&str] = &[
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Version: 8",
    "Sec-WebSocket-Version: 7",
    "Sec-WebSocket-Version: 4",
    "Sec-WebSocket-Version: 0",
    "Sec-WebSocket-Version:",
    "Sec-WebSocket-Draft: 0",
    "Sec-WebSocket-Draft: 1",
    "Sec-WebSocket-Draft: 2",
    "sec-websocket-draft: 3",
    "Sec-WebSocket-Draft: x",
    "Sec-WebSocket-Key1: 1 2",
    "Sec-WebSocket-KEY1: 3 3",
    "Sec-WebSocket-Key2: 1 2",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: a",
    "Sec-WebSocket-Extensions: a",
    "Sec-WebSocket-Origin: a",
    "Sec-WebSocket-Nonce: a",
    "WebSocket-Protocol: a",
    "WebSocket-Location: a",
    "Origin: http://a",
];

/// The protocols whose requests end with eight bytes that may be held back.
const WITH_BODY: &[&str] = &["hixie-76", "hybi-01", "hybi-02", "hybi-03"];

/// Returns a piece as a message if it is the last of its message.
fn message(piece: &Piece) -> Option<Message> {
    let payload = piece.payload.clone();
    match piece.kind {
        _ if !piece.end => None,
        // A piece may be cut inside a character.
        Kind::Text => payload.try_into().ok().map(Message::Text),
        Kind::Binary => Some(Message::Binary(payload)),
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn encoded_events_are_decoded_however_they_are_cut(
        (protocol, sender) in connection(),
        (sends, end) in sends(),
        base64 in any::<bool>(),
        sizes in chunks(),
    ) {
        let mut setup = Setup::default();
        if base64 {
            setup.dial.subprotocols = vec!["base64".into()];
        }
        let (mut from, mut to) = Joined::with(protocol.name(), &setup).settled().ends(sender);
        let mut sent = events(protocol, &sends);
        let mut read = sent.clone();
        let (close, closed) = ending(protocol, end.as_ref());
        sent.push(close);
        read.extend(closed);
        let bytes = encode(&mut *from, &sent);
        let decoded = decode(&mut *to, cut(&bytes, &sizes));
        prop_assert_eq!(decoded.error, None);
        if base64 {
            prop_assert_eq!(as_base64(decoded.events), as_base64(read));
        } else {
            prop_assert_eq!(decoded.events, merge(read));
        }
    }

    #[test]
    fn sessions_exchange_messages_however_they_are_cut_sent_and_taken(
        (protocol, sender) in connection(),
        (sends, _) in sends(),
        sizes in chunks(),
        (sends_borrowed, takes_borrowed, takes_long) in any::<(bool, bool, bool)>(),
        most in 1..20,
    ) {
        let (from, to) = Joined::new(protocol.name()).settled().ends(sender);
        let mut from = Session::new(from, SessionConfig::default());
        let mut to = Session::new(to, SessionConfig::default());
        let mut sent = Vec::new();
        for event in events(protocol, &sends) {
            let Event::Data(piece) = event else { continue };
            match message(&piece) {
                Some(message) if sends_borrowed => from.send_ref(borrowed(&message)).unwrap(),
                _ => from.send_piece(piece.clone()).unwrap(),
            }
            sent.push(Event::Data(piece));
        }
        let sent: Vec<_> = merge(sent).iter().filter_map(|event| match event {
            Event::Data(piece) => message(piece),
            _ => None,
        }).collect();
        let bytes = drain(from.outgoing());
        let (mut src, mut received) = (BytesMut::new(), Vec::new());
        for chunk in cut(&bytes, &sizes) {
            src.extend_from_slice(chunk);
            loop {
                let mut stopped = takes_borrowed;
                while stopped {
                    let mut left = most;
                    let borrowed = to.receive_borrowed(&mut src, |message, _| {
                        received.push(message.into_owned());
                        left -= 1;
                        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                    });
                    stopped = borrowed.unwrap().is_some();
                }
                let taken = if takes_long {
                    to.receive_piece(&mut src, 256 * 1024).unwrap().and_then(|piece| message(&piece))
                } else {
                    to.receive(&mut src).unwrap()
                };
                match taken {
                    Some(message) => received.push(message),
                    None => break,
                }
            }
        }
        prop_assert_eq!(received, sent);
    }

    #[test]
    fn a_handshake_with_ourselves_is_always_completed(
        (protocol, _) in connection(),
        sizes in chunks(),
        hold_body in any::<bool>(),
        secure in any::<bool>(),
        target in option::of("/[!-\"$-~]{0,20}"),
        origin in option::of("[!-~]{1,20}"),
        host in "[a-zA-Z0-9.-]{1,20}(:[1-9][0-9]{0,3})?",
        offered in subsequence(&["chat", "b.c", "base64", "x-y"][..], 0..=4),
    ) {
        let mut setup = Setup {
            chunks: sizes,
            hold_body: hold_body && WITH_BODY.contains(&protocol.name()),
            ..Setup::default()
        };
        let most = if protocol.lists_subprotocols() { 4 } else { 1 };
        let offered = &offered[..offered.len().min(most)];
        setup.server.secure = secure;
        setup.dial.secure = secure;
        setup.dial.host = host.clone().into();
        setup.dial.target = target.clone().unwrap_or_default().into();
        setup.dial.origin = origin.clone().map(Into::into);
        setup.dial.subprotocols = offered.iter().map(|name| (*name).into()).collect();
        let joined = Joined::with(protocol.name(), &setup);
        prop_assert_eq!(joined.request.protocol.name(), protocol.name());
        prop_assert_eq!(&*joined.request.host, &*host);
        prop_assert_eq!(&*joined.request.target, target.as_deref().unwrap_or("/"));
        if let Some(origin) = &origin {
            prop_assert_eq!(joined.request.origin.as_deref(), Some(&**origin));
        }
        let names: Vec<&str> = joined.request.subprotocols.iter().map(|name| &**name).collect();
        prop_assert_eq!(&names[..], offered);
        prop_assert_eq!(joined.response.subprotocol.as_deref(), offered.first().copied());
    }

    #[test]
    fn at_most_one_protocol_accepts_a_handshake(
        fields in subsequence(FIELDS, 0..=6).prop_shuffle(),
        body in select(&["", "12345678"][..]),
    ) {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{}\r\n{body}",
            fields.iter().flat_map(|field| [field, "\r\n"]).collect::<String>(),
        );
        let limits = HeadLimits::default();
        let len = HeadScanner::default().advance(head.as_bytes(), &limits).unwrap().unwrap();
        let head = Head::parse(head.as_bytes(), len, &limits).unwrap();
        let says_yes = |protocol: &&&dyn Protocol| protocol.recognise(&head) == Match::Yes;
        let said: Vec<_> = PROTOCOLS.iter().filter(says_yes).collect();
        prop_assert!(said.len() <= 1, "{:?} all say yes", said);
        // A protocol opens the requests that it recognises, or refuses them; never as another's.
        for protocol in said {
            if let Ok(opening) = protocol.open(head.clone(), &support::context()) {
                prop_assert_eq!(opening.request.protocol.name(), protocol.name());
            }
        }
    }
}
