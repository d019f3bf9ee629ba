//! What a session does above every codec: pongs, the closing handshake, text and limits.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use bytes::{Buf, BytesMut};
use polysock_protocols::Role::{Client, Server};
use polysock_protocols::{
    Close, CloseCode, CloseForm, Closed, Codec, EncodeError, Event, Kind, Limits, Message,
    PROTOCOLS, Piece, ProtocolError, RawCodec, Role, Session, SessionConfig, Side, Timer,
};
use support::{Joined, Setup, drain, encode, hex, text};

/// The session of one end, and the codec of the other.
fn session(name: &str, end: Role) -> (Session, Box<dyn Codec>) {
    limited(name, end, SessionConfig::default().max_message)
}

fn limited(name: &str, end: Role, max_message: u64) -> (Session, Box<dyn Codec>) {
    let (codec, peer) = Joined::sample(name).settled().ends(end);
    let config = SessionConfig {
        max_message,
        ..SessionConfig::default()
    };
    (Session::new(codec, config), peer)
}

/// Everything a session makes of some bytes.
fn receive(session: &mut Session, bytes: &[u8]) -> Result<Vec<Message>, ProtocolError> {
    let mut src = BytesMut::from(bytes);
    let mut messages = Vec::new();
    while let Some(message) = session.receive(&mut src)? {
        messages.push(message);
    }
    Ok(messages)
}

fn close(code: u16, reason: &str) -> Option<Close> {
    Some(Close::new(CloseCode::new(code).unwrap(), reason))
}

#[test]
fn a_ping_is_answered_with_its_payload() {
    for protocol in PROTOCOLS
        .iter()
        .filter(|protocol| protocol.capabilities().ping)
    {
        for end in [Server, Client] {
            let (mut session, mut peer) = session(protocol.name(), end);
            let pings = encode(&mut peer, &[support::ping("a"), support::ping("")]);
            assert_eq!(receive(&mut session, &pings), Ok(vec![]));
            let pongs = support::decode(&mut peer, [&drain(session.outgoing())[..]]).events;
            assert_eq!(
                pongs,
                [support::pong("a"), support::pong("")],
                "{protocol:?}"
            );
        }
    }
}

#[test]
fn pongs_that_nobody_reads_are_coalesced_into_the_newest() {
    let (mut session, mut peer) = session("rfc6455", Server);
    let mut waiting = 0;
    for count in 0..1000u16 {
        let payload = [&count.to_be_bytes()[..], &[0; 123]].concat();
        let ping = encode(&mut peer, &[Event::Ping(payload.into())]);
        assert_eq!(receive(&mut session, &ping), Ok(vec![]));
        waiting = session.outgoing().len();
        assert!(waiting < 4096 + 127, "{waiting} bytes of pongs");
    }
    let written = drain(session.outgoing());
    assert_eq!(written.len(), waiting);
    let last = drain(session.outgoing());
    assert_eq!(
        &last[..4],
        hex("8a7d 03e7"),
        "the newest, once there is room"
    );
    assert_eq!(drain(session.outgoing()), []);
}

#[test]
fn a_pong_that_nobody_asked_for_says_nothing() {
    let (mut session, mut peer) = session("rfc6455", Server);
    let pong = encode(&mut peer, &[support::pong("x")]);
    assert_eq!(receive(&mut session, &pong), Ok(vec![]));
    assert!(session.outgoing().is_empty() && session.is_open());
}

/// A buffer from which some is always left does not keep what has been written.
#[test]
fn a_slow_reader_costs_no_more_than_what_waits() {
    let (mut session, mut peer) = session("rfc6455", Server);
    let ping = encode(&mut peer, &[Event::Ping(vec![0; 125].into())]);
    receive(&mut session, &ping).unwrap();
    for _ in 0..10_000 {
        receive(&mut session, &ping).unwrap();
        session.outgoing().advance(127);
    }
    drain(session.outgoing());
    let buffer = session.outgoing().take_buffer().unwrap();
    assert!(buffer.capacity() < 32 * 1024, "{} bytes", buffer.capacity());
}

#[test]
fn either_side_closes_in_the_form_of_its_protocol() {
    for protocol in PROTOCOLS {
        for end in [Server, Client] {
            let name = protocol.name();
            let (us, them) = Joined::new(name).settled().ends(end);
            let mut us = Session::new(us, SessionConfig::default());
            let mut them = Session::new(them, SessionConfig::default());
            let ours = close(4000, "bye");
            us.close(ours.clone());
            us.close(close(4001, "again"));
            assert!(!us.is_open());
            assert_eq!(us.send("late".into()), Err(EncodeError::Closing));
            let wait = Timer::Close(SessionConfig::default().close_timeout);
            assert_eq!(us.timer(), Some(wait));

            let bytes = drain(us.outgoing());
            let form = protocol.capabilities().close;
            let carried = match form {
                CloseForm::Code if name == "hybi-06" => close(1000, "bye"),
                CloseForm::Code => ours.clone(),
                CloseForm::Bare | CloseForm::Eof => None,
            };
            if form == CloseForm::Eof {
                assert!(bytes.is_empty());
                them.receive_eof();
                us.receive_eof();
            } else {
                assert_eq!(receive(&mut them, &bytes), Ok(vec![]));
                let answer = drain(them.outgoing());
                assert!(!answer.is_empty());
                assert_eq!(receive(&mut us, &answer), Ok(vec![]));
                assert!(drain(us.outgoing()).is_empty(), "one close is enough");
            }
            let (by, clean) = (Side::Local, true);
            assert_eq!(
                us.closed(),
                Some(&Closed {
                    by,
                    close: ours,
                    clean
                }),
                "{name} {end:?}"
            );
            let (by, close) = (Side::Peer, carried);
            assert_eq!(
                them.closed(),
                Some(&Closed { by, close, clean }),
                "{name} {end:?}"
            );
            assert_eq!((us.timer(), them.timer()), (None, None));
        }
    }
}

#[test]
fn the_answer_to_a_close_carries_its_code_alone() {
    for (name, end, received, answer) in [
        ("rfc6455", Server, "8885 37fa213d 3413 437852", "8802 03e9"),
        ("rfc6455", Client, "8805 03e9 627965", "8882 37fa213d 3413"),
        ("rfc6455", Client, "8800", "8880 37fa213d"),
        ("hybi-10", Client, "8802 03ec", "8882 37fa213d 3416"),
        ("hybi-06", Server, "37fa213d b6f822d5", "81 02 03e8"),
        ("hybi-05", Server, "37fa213d b6fb62", "81 01 53"),
        ("hybi-03", Server, "01 00", "01 00"),
        ("hixie-76", Server, "ff 00", "ff 00"),
        ("hixie-76", Client, "ff 00", "ff 00"),
    ] {
        let (mut session, _) = session(name, end);
        assert_eq!(receive(&mut session, &hex(received)), Ok(vec![]), "{name}");
        assert_eq!(drain(session.outgoing()), hex(answer), "{name} {received}");
        assert!(session.closed().unwrap().clean);
        // What comes after a close frame is not looked at.
        assert_eq!(receive(&mut session, b"\x81\x01"), Ok(vec![]));
    }
}

#[test]
fn two_closes_that_cross_are_a_clean_end() {
    let (us, mut peer) = {
        let (mut session, peer) = session("rfc6455", Server);
        session.close(close(1001, ""));
        (session, peer)
    };
    let mut session = us;
    drain(session.outgoing());
    let theirs = encode(&mut peer, &[text("last words"), support::close(1000, "")]);
    assert_eq!(
        receive(&mut session, &theirs),
        Ok(vec!["last words".into()])
    );
    assert!(drain(session.outgoing()).is_empty());
    let closed = session.closed().unwrap();
    assert_eq!(
        (closed.by, &closed.close, closed.clean),
        (Side::Local, &close(1001, ""), true)
    );
}

#[test]
fn the_end_of_the_stream_without_a_close() {
    for (name, received, clean) in [
        ("hixie-75", "00 69 ff", true),
        ("hixie-75", "00 69", false),
        ("hixie-76", "00 69 ff", false),
        ("rfc6455", "8181 00000000 69", false),
    ] {
        let (mut session, _) = session(name, Server);
        receive(&mut session, &hex(received)).unwrap();
        session.receive_eof();
        let (by, close) = (Side::Peer, None);
        assert_eq!(
            session.closed(),
            Some(&Closed { by, close, clean }),
            "{name} {received}"
        );
    }
    let mut raw = Session::new(RawCodec::boxed(), SessionConfig::default());
    assert_eq!(receive(&mut raw, b"abc"), Ok(vec![Message::binary("abc")]));
    raw.receive_eof();
    assert!(raw.closed().unwrap().clean);
}

#[test]
fn a_breach_is_answered_with_the_close_code_that_names_it() {
    use ProtocolError as E;
    for (name, end, received, error, answer) in [
        ("rfc6455", Client, "8181", E::Masked, Some("03ea")),
        ("rfc6455", Client, "8101 ff", E::Utf8, Some("03ef")),
        (
            "rfc6455",
            Client,
            "8802 03ed",
            E::CloseCode(1005),
            Some("03ea"),
        ),
        ("rfc6455", Client, "8301", E::Opcode(3), None),
        ("hybi-10", Client, "8101 ff", E::Utf8, Some("03ef")),
        ("hybi-07", Client, "8101 ff", E::Utf8, Some("03ea")),
        ("hybi-06", Client, "8401 ff", E::Utf8, Some("03ea")),
    ] {
        let (mut session, mut peer) = session(name, end);
        let mut received = hex(received);
        // The code of a reserved opcode is decided by the header alone.
        if answer.is_none() {
            received.extend_from_slice(b"x");
        }
        assert_eq!(receive(&mut session, &received), Err(error), "{name}");
        let closed = session.closed().unwrap();
        assert_eq!((closed.by, closed.clean), (Side::Local, false));
        assert_eq!(closed.close.as_ref().unwrap().code, error.close_code());
        let sent = support::decode(&mut peer, [&drain(session.outgoing())[..]]).events;
        let [Event::Close(Some(sent))] = &sent[..] else {
            panic!("{name} sent {sent:?}");
        };
        assert_eq!(sent.reason, error.to_string());
        if let Some(code) = answer {
            assert_eq!(sent.code.get().to_be_bytes(), *hex(code), "{name}");
        }
        // Nothing is read any more.
        assert_eq!(receive(&mut session, &hex("8101 61")), Ok(vec![]), "{name}");
    }
    let (mut session, _) = session("hixie-76", Server);
    assert_eq!(receive(&mut session, &hex("00 c3 28 ff")), Err(E::Utf8));
    assert_eq!(drain(session.outgoing()), hex("ff 00"));
}

#[test]
fn text_fails_at_its_first_wrong_byte() {
    // U+20AC is e2 82 ac.
    for (bytes, good) in [
        ("0101 e2 0001 82 8001 ac", true),
        ("0101 e2 0001 82 8001", true),
        ("0101 e2 0001 28", false),
        ("0101 e2 8900 0001 28", false),
        ("0102 e282 8000", false),
        ("8105 e282ac ff", false),
        ("8103 e2 ff", false),
        ("0103 eda080", false),
        ("0101 f4 0001 90", false),
        ("0101 c0", false),
        ("8102 e282", false),
        ("0100 0001 e2 8002 82ac", true),
    ] {
        let bytes = hex(bytes);
        for chunk in [1, bytes.len()] {
            let (mut whole, _) = session("rfc6455", Client);
            let (mut pieces, _) = session("rfc6455", Client);
            let (mut results, mut src) = ((Ok(()), Ok(())), [BytesMut::new(), BytesMut::new()]);
            for chunk in bytes.chunks(chunk) {
                src.iter_mut().for_each(|src| src.extend_from_slice(chunk));
                if results.0.is_ok() {
                    results.0 = whole.receive(&mut src[0]).map(drop);
                }
                while results.1.is_ok() {
                    match pieces.receive_piece(&mut src[1]) {
                        Ok(None) => break,
                        result => results.1 = result.map(drop),
                    }
                }
            }
            let expected = if good {
                Ok(())
            } else {
                Err(ProtocolError::Utf8)
            };
            let complete = chunk == 1 || bytes.len() != 9;
            if complete {
                assert_eq!(results, (expected, expected), "{bytes:x?} by {chunk}");
            }
        }
    }
}

#[test]
fn a_message_over_the_limit_is_refused_at_the_byte_that_is_too_much() {
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
        ("rfc6455", Client, "82ff 0000", Err(ProtocolError::Masked)),
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
        let mut bytes = hex(bytes);
        if expected == Err(ProtocolError::Masked) {
            bytes.extend([0; 8]);
        }
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
        ..Limits::default()
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

#[test]
fn pieces_are_handed_on_as_they_come() {
    let (mut session, _) = session("rfc6455", Client);
    let mut src = BytesMut::from(&hex("827f 0000000100000000 616263")[..]);
    let piece = session.receive_piece(&mut src).unwrap().unwrap();
    let (kind, payload) = (Kind::Binary, "abc".into());
    assert_eq!(
        piece,
        Piece {
            kind,
            payload,
            end: false
        }
    );
    assert_eq!(session.receive_piece(&mut src), Ok(None));
}

#[test]
fn a_close_finds_its_way_out_of_an_unfinished_text() {
    let (mut session, mut peer) = session("hixie-76", Server);
    let piece = |payload: &'static str, end| Piece {
        kind: Kind::Text,
        payload: payload.into(),
        end,
    };
    session.send_piece(piece("Hel", false)).unwrap();
    session.send_piece(piece("lo", false)).unwrap();
    session.close(None);
    let sent = support::decode(&mut peer, [&drain(session.outgoing())[..]]).events;
    assert_eq!(sent, [text("Hello"), Event::Close(None)]);
    assert_eq!(
        session.send(Message::binary("x")),
        Err(EncodeError::Closing)
    );
}
