//! A shared or borrowed message is written as each session would have written it alone, and a
//! shared one is encoded once per form.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};
use polysock_protocols::{
    BinaryOverText, CloseCode, Codec, EncodeError, Event, Kind, Message, PROTOCOLS, Piece, Role,
    Session, SessionConfig, SharedMessage,
};

use support::{Joined, Setup, borrowed, drain, encode};

/// Every length with a header of its own, and one that is sent by reference.
const LENGTHS: [usize; 8] = [0, 1, 125, 126, 5000, 65535, 65536, 1 << 20];

fn messages() -> Vec<Message> {
    LENGTHS
        .iter()
        .flat_map(|len| {
            let text = Message::text("x".repeat(*len));
            let binary: Vec<u8> = (0..=255).cycle().take(*len).collect();
            [text, Message::binary(binary)]
        })
        .collect()
}

/// Returns all combinations of protocol, subprotocol, policy for binary messages, and whether the
/// client has sent first.
fn ways() -> Vec<(&'static str, Setup, bool)> {
    let mut ways = Vec::new();
    for protocol in PROTOCOLS {
        for binary_over_text in [BinaryOverText::Close, BinaryOverText::Base64] {
            for subprotocol in [None, Some("base64")] {
                for settled in [false, true] {
                    let mut setup = Setup {
                        binary_over_text,
                        ..Setup::default()
                    };
                    setup.dial.subprotocols = subprotocol.into_iter().map(Into::into).collect();
                    // The nonces and masks are constant, so that bytes can be compared.
                    setup.client.entropy = |bytes| bytes.fill(0x5a);
                    setup.server.entropy = |bytes| bytes.fill(0xa5);
                    ways.push((protocol.name(), setup, settled));
                }
            }
        }
    }
    ways
}

fn codec(name: &str, setup: &Setup, settled: bool, role: Role) -> Box<dyn Codec> {
    let joined = Joined::with(name, setup);
    let joined = if settled { joined.settled() } else { joined };
    joined.ends(role).0
}

fn session(name: &str, setup: &Setup, settled: bool, role: Role) -> Session {
    Session::new(codec(name, setup, settled, role), SessionConfig::default())
}

#[test]
fn a_shared_message_has_the_bytes_of_one_that_is_sent_alone() {
    let shared: Vec<SharedMessage> = messages().into_iter().map(SharedMessage::new).collect();
    for role in [Role::Server, Role::Client] {
        for (name, setup, settled) in ways() {
            let mut sharing = session(name, &setup, settled, role);
            let mut borrowing = session(name, &setup, settled, role);
            let mut alone = session(name, &setup, settled, role);
            for message in &shared {
                let what = format!("{role:?} {name} {:?}", message.message());
                let expected = alone.send(message.message().clone());
                assert_eq!(sharing.send_shared(message), expected, "{what}");
                assert_eq!(
                    borrowing.send_ref(borrowed(message.message())),
                    expected,
                    "{what}"
                );
                let alone = drain(alone.outgoing());
                assert!(drain(sharing.outgoing()) == alone, "{what}");
                assert!(drain(borrowing.outgoing()) == alone, "{what}, borrowed");
            }
        }
    }
}

#[test]
fn a_shared_message_is_encoded_once_for_equal_framings() {
    for message in [
        Message::text("x".repeat(5000)),
        Message::binary(vec![1; 5000]),
    ] {
        let shared = SharedMessage::new(message.clone());
        // The address of each encoding, by its bytes. The sessions are kept, so that no address is
        // reused.
        let mut places: BTreeMap<Vec<u8>, *const u8> = BTreeMap::new();
        let mut sessions = Vec::new();
        for (name, setup, _) in ways() {
            let mut session = session(name, &setup, true, Role::Server);
            if session.send_shared(&shared).is_ok() {
                let bytes = session.outgoing().chunk().to_vec();
                let place = session.outgoing().chunk().as_ptr();
                let first = *places.entry(bytes).or_insert(place);
                assert_eq!(place, first, "{name} {message:?}");
                sessions.push(session);
            }
        }
        let framings = match message {
            // 01, 02 and 03; 04, 05 and 06; 07 and later; hixie; and each of them in base64.
            Message::Text(_) => 8,
            Message::Binary(_) => 7,
        };
        assert_eq!(places.len(), framings, "{message:?}");
    }
}

#[test]
fn is_masked_anew_by_each_client() {
    let shared = SharedMessage::new(Message::text("x".repeat(5000)));
    for name in ["hybi-04", "hybi-06", "rfc6455"] {
        let setup = Setup::default();
        let mut session = session(name, &setup, true, Role::Client);
        session.send_shared(&shared).unwrap();
        let first = drain(session.outgoing());
        session.send_shared(&shared).unwrap();
        assert_ne!(first, drain(session.outgoing()), "{name}");
    }
}

#[test]
fn waits_for_the_end_of_a_message_in_pieces() {
    let shared = SharedMessage::new(Message::text("shared"));
    let piece = |payload: &'static str, end| Piece {
        kind: Kind::Text,
        payload: Bytes::from_static(payload.as_bytes()),
        end,
    };
    for (name, setup, settled) in ways() {
        let mut sharing = session(name, &setup, settled, Role::Server);
        for payload in ["", "a", "bcd"] {
            sharing.send_piece(piece(payload, false)).unwrap();
            assert!(sharing.is_sending());
            let refused = sharing.send_shared(&shared);
            assert_eq!(refused, Err(EncodeError::Unfinished), "{name}");
        }
        sharing.send_piece(piece("", true)).unwrap();
        assert!(!sharing.is_sending());
        sharing.send_shared(&shared).unwrap();
        let mut alone = codec(name, &setup, settled, Role::Server);
        let pieces = [("", false), ("a", false), ("bcd", false), ("", true)];
        let mut events = pieces
            .map(|(payload, end)| Event::Data(piece(payload, end)))
            .to_vec();
        events.push(Event::Data(shared.message().clone().into()));
        assert_eq!(
            drain(sharing.outgoing()),
            encode(&mut *alone, &events),
            "{name}"
        );
    }
}

#[test]
fn is_refused_while_closing() {
    let shared = SharedMessage::new(Message::text("too late"));
    for (name, setup, settled) in ways() {
        let mut session = session(name, &setup, settled, Role::Server);
        session.close(Some(CloseCode::NORMAL.into()));
        let farewell = drain(session.outgoing());
        let refused = session.send_shared(&shared);
        assert_eq!(refused, Err(EncodeError::Closing), "{name} {farewell:?}");
        session.receive_eof();
        assert_eq!(session.send_shared(&shared), Err(EncodeError::Closing));
        assert!(drain(session.outgoing()).is_empty(), "{name}");
    }
}

#[test]
fn a_protocol_that_cannot_carry_a_shared_message_affects_no_other() {
    let shared = SharedMessage::new(Message::binary(vec![0xff; 10]));
    let send = |name| {
        let mut session = session(name, &Setup::default(), true, Role::Server);
        let sent = session.send_shared(&shared);
        sent.map(|()| drain(session.outgoing()))
    };
    for name in ["hixie-75", "hixie-76", "hixie-75"] {
        let event = "a binary message";
        let protocol = name;
        let unsupported = EncodeError::Unsupported { event, protocol };
        assert_eq!(send(name), Err(unsupported), "the error names its own");
        assert!(send("rfc6455").is_ok());
    }
}
