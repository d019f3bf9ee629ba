//! The behaviour of a session above every codec: pongs and the closing handshake.
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
    Close, CloseCode, CloseForm, Closed, EncodeError, Event, Kind, Message, PROTOCOLS, Piece,
    ProtocolError, RawCodec, Role, Session, SessionConfig, Side, Timer,
};
use support::sessions::{limited, receive, session};
use support::{Joined, drain, encode, hex, text};

/// Returns a close.
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
            let pings = encode(&mut *peer, &[support::ping("a"), support::ping("")]);
            assert_eq!(receive(&mut session, &pings), Ok(vec![]));
            let pongs = support::decode(&mut *peer, [&drain(session.outgoing())[..]]).events;
            assert_eq!(
                pongs,
                [support::pong("a"), support::pong("")],
                "{protocol:?}"
            );
        }
    }
}

#[test]
fn unread_pongs_are_coalesced_into_the_newest() {
    let (mut session, mut peer) = session("rfc6455", Server);
    let mut waiting = 0;
    for count in 0..1000u16 {
        let payload = [&count.to_be_bytes()[..], &[0; 123]].concat();
        let ping = encode(&mut *peer, &[Event::Ping(payload.into())]);
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
fn an_unsolicited_pong_is_ignored() {
    let (mut session, mut peer) = session("rfc6455", Server);
    let pong = encode(&mut *peer, &[support::pong("x")]);
    assert_eq!(receive(&mut session, &pong), Ok(vec![]));
    assert!(session.outgoing().is_empty() && session.is_open());
}

/// A buffer that is never quite empty does not keep the written bytes.
#[test]
fn a_slow_reader_costs_only_the_memory_of_unsent_bytes() {
    let (mut session, mut peer) = session("rfc6455", Server);
    let ping = encode(&mut *peer, &[Event::Ping(vec![0; 125].into())]);
    receive(&mut session, &ping).unwrap();
    for _ in 0..10_000 {
        receive(&mut session, &ping).unwrap();
        session.outgoing().advance(127);
    }
    drain(session.outgoing());
    let capacity = session.outgoing().capacity();
    assert!((1..32 * 1024).contains(&capacity), "{capacity} bytes");
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
        // Data after a close frame is ignored.
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
    let theirs = encode(&mut *peer, &[text("last words"), support::close(1000, "")]);
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
fn an_end_of_stream_without_a_close_is_clean_only_in_hixie_75() {
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
fn a_failed_transport_is_an_unclean_end() {
    for protocol in PROTOCOLS {
        let (mut session, _) = session(protocol.name(), Server);
        session.abort();
        let (by, close, clean) = (Side::Peer, None, false);
        assert_eq!(session.closed(), Some(&Closed { by, close, clean }));
    }
}

#[test]
fn pieces_are_returned_as_they_arrive() {
    let (mut session, _) = limited("rfc6455", Client, u64::MAX);
    let mut src = BytesMut::from(&hex("827f 0000000100000000 616263")[..]);
    let piece = session.receive_piece(&mut src, 0).unwrap().unwrap();
    let (kind, payload) = (Kind::Binary, "abc".into());
    assert_eq!(
        piece,
        Piece {
            kind,
            payload,
            end: false
        }
    );
    assert_eq!(session.receive_piece(&mut src, 0), Ok(None));
}

/// The sessions that send `00 … FF`, with their roles.
const DELIMITED: [(&str, Role); 6] = [
    ("hixie-75", Server),
    ("hixie-75", Client),
    ("hixie-76", Server),
    ("hixie-76", Client),
    ("hybi-02", Server),
    ("hybi-03", Server),
];

/// Returns a session whose peer has not yet shown its framing.
fn unsettled(name: &str, role: Role) -> Session {
    let (codec, _) = Joined::new(name).ends(role);
    Session::new(codec, SessionConfig::default())
}

#[test]
fn a_session_sends_no_close_within_a_text_that_the_close_would_end() {
    let unfinished = |payload: &'static str| Piece {
        kind: Kind::Text,
        payload: payload.into(),
        end: false,
    };
    type End = fn(&mut Session);
    let ends: [(&str, End, Side); 4] = [
        ("we close", |session| session.close(None), Side::Local),
        (
            "the peer breaks the protocol",
            |session| {
                assert_eq!(receive(session, b"\x00\xc0\xff"), Err(ProtocolError::Utf8));
            },
            Side::Local,
        ),
        (
            "the peer closes",
            |session| assert_eq!(receive(session, b"\xff\x00"), Ok(vec![])),
            Side::Peer,
        ),
        (
            "the peer hangs up",
            |session| {
                session.receive_eof();
                session.close(None);
            },
            Side::Peer,
        ),
    ];
    for (name, role) in DELIMITED {
        for (what, end, by) in ends {
            if (name, what) == ("hixie-75", "the peer closes") {
                continue;
            }
            let mut session = unsettled(name, role);
            // Each session then knows its framing.
            assert_eq!(
                receive(&mut session, b"\x00\xff"),
                Ok(vec!["".into()]),
                "{name} {role:?}"
            );
            session.send("whole".into()).unwrap();
            session.send_piece(unfinished("Hel")).unwrap();
            session.send_piece(unfinished("lo")).unwrap();
            end(&mut session);
            let sent = drain(session.outgoing());
            assert_eq!(sent, b"\x00whole\xff\x00Hel", "{name} {role:?}, {what}");
            let closed = session.closed().unwrap();
            let clean = (name, what) == ("hixie-75", "the peer hangs up");
            assert_eq!((closed.by, closed.clean), (by, clean), "{name}, {what}");
            assert_eq!(session.is_cut(), what != "the peer hangs up");
            assert_eq!(
                session.send(Message::binary("x")),
                Err(EncodeError::Closing)
            );
        }
    }
}

#[test]
fn a_session_closes_after_a_complete_text() {
    for (name, role) in DELIMITED {
        let mut session = unsettled(name, role);
        let [begun, ended] = [("Hel", false), ("lo", true)].map(|(payload, end)| Piece {
            kind: Kind::Text,
            payload: payload.into(),
            end,
        });
        assert_eq!(
            receive(&mut session, b"\x00\xff"),
            Ok(vec!["".into()]),
            "{name} {role:?}"
        );
        session.send_piece(begun).unwrap();
        session.send_piece(ended).unwrap();
        session.close(None);
        let close: &[u8] = if name == "hixie-75" { b"" } else { b"\xff\x00" };
        let sent = drain(session.outgoing());
        assert_eq!(sent, [b"\x00Hello\xff", close].concat(), "{name} {role:?}");
        assert!(!session.is_cut() && session.closed().is_none());
    }
}

#[test]
fn a_close_is_answered_with_its_unchanged_code() {
    // Even a code that we would send as another: 1004 and 1008 differ between the versions.
    for (name, code) in [("hybi-10", 1004), ("hybi-10", 1008), ("hybi-07", 1011)] {
        let (mut session, _) = session(name, Server);
        let [high, low] = u16::to_be_bytes(code);
        let frame = [0x88, 0x82, 0, 0, 0, 0, high, low];
        assert_eq!(receive(&mut session, &frame), Ok(vec![]));
        assert_eq!(
            drain(session.outgoing()),
            [0x88, 2, high, low],
            "{name} {code}"
        );
    }
}

#[test]
fn a_ping_that_cannot_be_answered_in_its_framing_is_left_unanswered() {
    // A hybi-02 server that sends first uses `00 … FF`; its client may still send frames.
    let codec = Joined::new("hybi-02").server;
    let mut session = Session::new(codec, SessionConfig::default());
    session.send("first".into()).unwrap();
    assert_eq!(drain(session.outgoing()), b"\x00first\xff");
    assert_eq!(receive(&mut session, &hex("02 00")), Ok(vec![]));
    assert_eq!(drain(session.outgoing()), b"");
    assert!(session.is_open());
}

#[test]
fn the_answer_to_a_close_has_its_reason_where_that_is_wanted() {
    for (echo_reason, answer) in [
        (false, &b"\x88\x02\x03\xe8"[..]),
        (true, b"\x88\x05\x03\xe8fin"),
    ] {
        let (codec, mut peer) = Joined::new("rfc6455").ends(Server);
        let config = SessionConfig {
            echo_reason,
            ..SessionConfig::default()
        };
        let mut session = Session::new(codec, config);
        let close = Close::new(CloseCode::NORMAL, "fin");
        let bytes = encode(&mut *peer, &[Event::Close(Some(close))]);
        assert_eq!(session.receive(&mut BytesMut::from(&bytes[..])), Ok(None));
        assert_eq!(drain(session.outgoing()), answer);
    }
}
