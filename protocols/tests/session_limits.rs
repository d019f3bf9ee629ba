//! Errors of a session and their close frames: breaches, text that is not UTF-8, limits.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use bytes::BytesMut;
use polysock_protocols::Role::{Client, Server};
use polysock_protocols::{CloseCode, Event, Limits, ProtocolError, Session, SessionConfig, Side};
use support::sessions::{limited, receive, session};
use support::{Joined, Setup, drain, hex};

#[test]
fn a_breach_is_answered_with_the_close_code_that_names_it() {
    use ProtocolError as E;
    for (name, end, received, error, code) in [
        ("rfc6455", Client, "8181", E::Masked, 1002),
        ("rfc6455", Client, "8101 ff", E::Utf8, 1007),
        ("rfc6455", Client, "8802 03ed", E::CloseCode(1005), 1002),
        ("rfc6455", Client, "8301", E::Opcode(3), 1002),
        ("hybi-10", Client, "8101 ff", E::Utf8, 1007),
        ("hybi-07", Client, "8101 ff", E::Utf8, 1002),
        ("hybi-06", Client, "8401 ff", E::Utf8, 1002),
    ] {
        let (mut session, mut peer) = session(name, end);
        assert_eq!(receive(&mut session, &hex(received)), Err(error), "{name}");
        let closed = session.closed().unwrap();
        assert_eq!((closed.by, closed.clean), (Side::Local, false));
        assert_eq!(closed.close.as_ref().unwrap().code, error.close_code());
        let sent = support::decode(&mut *peer, [&drain(session.outgoing())[..]]).events;
        let [Event::Close(Some(sent))] = &sent[..] else {
            panic!("{name} sent {sent:?}");
        };
        assert_eq!(sent.reason, error.to_string());
        assert_eq!(sent.code.get(), code, "{name}");
        // The session reads nothing more.
        assert_eq!(receive(&mut session, &hex("8101 61")), Ok(vec![]), "{name}");
    }
    let (mut session, _) = session("hixie-76", Server);
    assert_eq!(receive(&mut session, &hex("00 c3 28 ff")), Err(E::Utf8));
    assert_eq!(drain(session.outgoing()), hex("ff 00"));
}

#[test]
fn text_fails_at_its_first_wrong_byte() {
    let wrong = Err(ProtocolError::Utf8);
    // U+20AC is e2 82 ac.
    for (bytes, expected) in [
        ("0101 e2 0001 82 8001 ac", Ok(())),
        ("0101 e2 0001 82 8001", Ok(())),
        ("0100 0001 e2 8002 82ac", Ok(())),
        ("0101 e2 0001 28", wrong),
        ("0101 e2 8900 0001 28", wrong),
        ("0102 e282 8000", wrong),
        ("0103 eda080", wrong),
        ("0101 f4 0001 90", wrong),
        ("0101 c0", wrong),
        ("8102 e282", wrong),
        // These frames are incomplete.
        ("8105 e282ac ff", wrong),
        ("8103 e2 ff", wrong),
    ] {
        let bytes = hex(bytes);
        for size in [1, bytes.len()] {
            let (mut messages, _) = session("rfc6455", Client);
            let mut src = BytesMut::new();
            let whole = bytes.chunks(size).try_for_each(|chunk| {
                src.extend_from_slice(chunk);
                messages.receive(&mut src).map(drop)
            });
            assert_eq!(whole, expected, "{bytes:x?} by {size}");

            let (mut pieces, _) = session("rfc6455", Client);
            let mut src = BytesMut::new();
            let result = bytes.chunks(size).try_for_each(|chunk| {
                src.extend_from_slice(chunk);
                while pieces.receive_piece(&mut src, 0)?.is_some() {}
                Ok(())
            });
            assert_eq!(result, expected, "pieces of {bytes:x?} by {size}");
        }
    }
}

#[test]
fn a_message_is_refused_at_the_first_byte_over_the_limit() {
    let error = ProtocolError::MessageTooLong { limit: 5 };
    for (name, end, bytes, expected) in [
        (
            "rfc6455",
            Client,
            "8105 48656c6c6f",
            Ok(vec!["Hello".into()]),
        ),
        ("rfc6455", Client, "8106 48656c6c6f21", Err(error)),
        (
            "rfc6455",
            Client,
            "0103 48656c 0002 6c6f 8000",
            Ok(vec!["Hello".into()]),
        ),
        ("rfc6455", Client, "0103 48656c 0003 6c6f21", Err(error)),
        (
            "rfc6455",
            Client,
            "8105 48656c6c6f 8105 48656c6c6f",
            Ok(vec!["Hello".into(); 2]),
        ),
        (
            "rfc6455",
            Client,
            "827f 0000000010000000 000000000000",
            Err(error),
        ),
        (
            "hixie-76",
            Server,
            "00 48656c6c6f ff",
            Ok(vec!["Hello".into()]),
        ),
        ("hixie-76", Server, "00 48656c6c6f21", Err(error)),
        ("hybi-03", Server, "84 03 48656c 00 03 6c6f21", Err(error)),
    ] {
        let bytes = hex(bytes);
        let (mut session, _) = limited(name, end, 5);
        assert_eq!(receive(&mut session, &bytes), expected, "{name} {bytes:x?}");
    }
}

#[test]
fn a_limit_of_the_codec_closes_with_its_code() {
    let limits = Limits {
        frame: 100,
        discarded: 10,
        fragments: 2,
    };
    let mut setup = Setup::default();
    (setup.server.limits, setup.client.limits) = (limits, limits);
    for (name, bytes, code) in [
        ("rfc6455", "82fe 0065 00000000", CloseCode::TOO_BIG),
        (
            "rfc6455",
            "0180 00000000 0080 00000000 0080 00000000",
            CloseCode::POLICY_VIOLATION,
        ),
        ("hixie-76", "80 0b", CloseCode::POLICY_VIOLATION),
        ("hixie-76", "80 65", CloseCode::TOO_BIG),
    ] {
        let mut session = Session::new(Joined::with(name, &setup).server, SessionConfig::default());
        let error = receive(&mut session, &hex(bytes)).unwrap_err();
        assert_eq!(error.close_code(), code, "{name} {bytes}");
        assert_eq!(session.closed().unwrap().close.as_ref().unwrap().code, code);
    }
}

/// A message that is too long is refused at its header, without waiting for the rest.
#[test]
fn a_length_over_the_limit_is_refused_at_the_header() {
    let config = SessionConfig {
        max_message: 1000,
        ..SessionConfig::default()
    };
    let refused = || Err(ProtocolError::MessageTooLong { limit: 1000 });
    for (received, expected) in [
        // 2^31, 2^63 - 1, 1001 and 1000 bytes.
        ("82ff 0000000080000000 00000000", refused()),
        ("82ff 7fffffffffffffff 00000000", refused()),
        ("82fe 03e9 00000000", refused()),
        ("82fe 03e8 00000000", Ok(vec![])),
        ("82fe 03e8 00000000 61", Ok(vec![])),
        // A fragment of one byte, followed by 999 bytes or 1000.
        ("0281 00000000 61 80fe 03e7 00000000", Ok(vec![])),
        ("0281 00000000 61 80fe 03e8 00000000", refused()),
    ] {
        let mut session = Session::new(Joined::new("rfc6455").server, config);
        assert_eq!(
            receive(&mut session, &hex(received)),
            expected,
            "{received}"
        );
    }
}

#[test]
fn the_rates_of_messages_and_control_frames_are_limited() {
    let config = SessionConfig {
        max_messages_per_second: Some(3),
        ..SessionConfig::default()
    };
    let message = hex("8181 00000000 61");
    let ping = hex("8980 00000000");
    for (frame, most, error) in [
        (&message, 3, ProtocolError::TooManyMessages { limit: 3 }),
        (&ping, 1000, ProtocolError::TooManyControls { limit: 1000 }),
    ] {
        let mut session = Session::new(Joined::new("rfc6455").server, config);
        let receive = |session: &mut Session, count: usize| {
            let mut src = BytesMut::from(&frame.repeat(count)[..]);
            while session.receive(&mut src).unwrap().is_some() {}
            drop(drain(session.outgoing()));
        };
        receive(&mut session, most);
        assert!(!session.is_fast(), "one that keeps to it");
        receive(&mut session, 1);
        assert!(session.is_fast());
        // The messages came in more than a second, and so did the next.
        for _ in 0..2 {
            assert_eq!(session.check_pace(true), Ok(()));
            receive(&mut session, most);
            assert!(!session.is_fast(), "one that keeps to it");
            receive(&mut session, 1);
            assert!(session.is_fast());
        }
        assert_eq!(session.check_pace(false), Err(error));
        let close = session.closed().unwrap().close.as_ref().unwrap();
        assert_eq!(close.code, CloseCode::POLICY_VIOLATION);
    }
}

#[test]
fn a_session_that_gives_up_its_peer_releases_its_memory() {
    let (mut receiving, _) = session("rfc6455", Server);
    // The first of two fragments.
    let fragment = [&hex("02fe ffff 00000000")[..], &[b'x'; 65535]].concat();
    assert_eq!(receive(&mut receiving, &fragment), Ok(vec![]));
    assert!(receiving.held() >= 65535, "{}", receiving.held());
    receiving.give_up(CloseCode::TRY_AGAIN_LATER.into());
    assert_eq!(drain(receiving.outgoing()), hex("8802 03f5"));
    assert_eq!(receiving.held(), 0);
    assert!(!receiving.is_cut());

    let (mut sending, _) = session("rfc6455", Server);
    sending
        .send(polysock_protocols::Message::binary(vec![0; 65535]))
        .unwrap();
    assert!(sending.held() >= 65535, "{}", sending.held());
    sending.give_up(CloseCode::TRY_AGAIN_LATER.into());
    assert_eq!(sending.held(), 0);
    assert!(sending.is_cut());
    assert_eq!(
        sending.closed().unwrap().close.as_ref().unwrap().code.get(),
        1013
    );
}
