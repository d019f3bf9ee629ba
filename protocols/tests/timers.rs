//! The timers of a session: idle peers, pings, and unanswered closing handshakes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use std::time::Duration;

use bytes::BytesMut;
use polysock_protocols::{CloseCode, Closed, ProtocolError, Session, SessionConfig, Side, Timer};
use support::{Joined, drain, hex};

const NEVER: Duration = Duration::from_secs(1000);

fn seconds(seconds: f32) -> Duration {
    Duration::from_secs_f32(seconds)
}

/// Returns a server's session with an idle timeout and a ping interval, both in seconds.
fn session(name: &str, idle: Option<u64>, ping: Option<u64>) -> Session {
    let config = SessionConfig {
        idle_timeout: idle.map(Duration::from_secs),
        ping_interval: ping.map(Duration::from_secs),
        ..SessionConfig::default()
    };
    Session::new(Joined::new(name).server, config)
}

/// Returns when a session sends a ping and when it gives up, in simulated time without input.
fn silence(session: &mut Session) -> (Option<Duration>, Option<(Duration, ProtocolError)>) {
    let (mut now, mut pinged) = (Duration::ZERO, None);
    while let Some(Timer::KeepAlive(tick)) = session.timer() {
        now += tick;
        if now > NEVER {
            return (pinged, None);
        }
        let result = session.handle_timeout();
        if let Err(error) = result {
            return (pinged, Some((now, error)));
        }
        let sent = drain(session.outgoing());
        if !sent.is_empty() {
            assert_eq!(sent.len(), 2, "an empty ping");
            assert_eq!(pinged.replace(now), None, "one ping is enough");
        }
    }
    (pinged, None)
}

#[test]
fn a_silent_peer_is_pinged_and_then_closed() {
    use ProtocolError::{Idle, Unanswered};
    for (name, idle, ping, pinged, given_up) in [
        ("rfc6455", None, None, None, None),
        ("rfc6455", Some(60), None, None, Some((60.0, Idle))),
        ("hixie-76", Some(60), None, None, Some((60.0, Idle))),
        ("hixie-76", Some(60), Some(20), None, Some((60.0, Idle))),
        ("hixie-76", None, Some(20), None, None),
        (
            "rfc6455",
            None,
            Some(20),
            Some(20.0),
            Some((28.0, Unanswered)),
        ),
        (
            "hybi-03",
            None,
            Some(20),
            Some(20.0),
            Some((28.0, Unanswered)),
        ),
        (
            "rfc6455",
            Some(60),
            Some(20),
            Some(20.0),
            Some((28.0, Unanswered)),
        ),
        (
            "rfc6455",
            Some(60),
            Some(50),
            Some(50.0),
            Some((58.0, Unanswered)),
        ),
        (
            "rfc6455",
            Some(60),
            Some(59),
            Some(59.0),
            Some((60.0, Idle)),
        ),
        ("rfc6455", Some(60), Some(90), None, Some((60.0, Idle))),
        (
            "rfc6455",
            Some(100),
            Some(30),
            Some(30.0),
            Some((38.0, Unanswered)),
        ),
        (
            "rfc6455",
            Some(300),
            Some(1),
            Some(1.0),
            Some((2.0, Unanswered)),
        ),
    ] {
        let mut session = session(name, idle, ping);
        let expected = (
            pinged.map(seconds),
            given_up.map(|(at, error)| (seconds(at), error)),
        );
        assert_eq!(
            silence(&mut session),
            expected,
            "{name} idle {idle:?} ping {ping:?}"
        );
        if let Some((_, error)) = given_up {
            let closed = session.closed().unwrap();
            assert_eq!((closed.by, closed.clean), (Side::Local, false));
            assert_eq!(closed.close.as_ref().unwrap().code, CloseCode::GOING_AWAY);
            assert_eq!(closed.close.as_ref().unwrap().reason, error.to_string());
            assert!(!drain(session.outgoing()).is_empty(), "a close goes out");
            assert_eq!((session.timer(), session.handle_timeout()), (None, Ok(())));
        }
    }
}

/// Only the first byte from such a client shows that it knows no pings.
#[test]
fn a_client_of_drafts_01_to_03_in_hixie_framing_is_not_pinged() {
    for name in ["hybi-01", "hybi-02", "hybi-03"] {
        let mut session = session(name, None, Some(20));
        let mut src = BytesMut::from(&hex("00 69 ff")[..]);
        assert!(session.receive(&mut src).unwrap().is_some());
        assert_eq!(silence(&mut session), (None, None), "{name}");
    }
}

#[test]
fn any_frame_of_a_peer_counts_as_a_sign_of_life() {
    for heard in [
        "8a80 00000000",
        "8980 00000000",
        "8181 00000000 61",
        "0181 00000000 61",
    ] {
        let mut session = session("rfc6455", Some(60), Some(20));
        for round in 0..100 {
            let mut src = BytesMut::new();
            // After the first fragment of a message, the others are continuations.
            let frame = match (heard, round) {
                ("0181 00000000 61", 1..) => "0081 00000000 61",
                _ => heard,
            };
            src.extend_from_slice(&hex(frame));
            while session.receive(&mut src).unwrap().is_some() {}
            drain(session.outgoing());
            session.handle_timeout().unwrap();
            session.handle_timeout().unwrap();
            assert!(session.is_open(), "{heard}, round {round}");
        }
    }
}

#[test]
fn a_close_that_is_not_answered_ends_without_an_error() {
    let mut session = session("rfc6455", Some(60), Some(20));
    session.close(None);
    let close_timeout = SessionConfig::default().close_timeout;
    assert_eq!(session.timer(), Some(Timer::Close(close_timeout)));
    assert_eq!(session.handle_timeout(), Ok(()));
    let (by, close, clean) = (Side::Local, None, false);
    assert_eq!(session.closed(), Some(&Closed { by, close, clean }));
    assert_eq!(session.timer(), None);
}

/// Without a closing handshake, the session waits for the end of the stream instead.
#[test]
fn hixie_75_waits_for_the_end_of_the_stream() {
    let mut session = session("hixie-75", None, None);
    assert_eq!(session.timer(), None);
    session.close(None);
    let close_timeout = SessionConfig::default().close_timeout;
    assert_eq!(session.timer(), Some(Timer::Close(close_timeout)));
    session.receive_eof();
    assert!(session.closed().unwrap().clean);
    assert_eq!(session.timer(), None);
}

/// A peer that sends only pongs is pinged at each interval, so that no router in between drops the
/// connection. A peer that has disconnected is given up a pong timeout after the next ping.
#[test]
fn a_peer_that_only_answers_is_pinged_at_each_interval() {
    let mut session = session("rfc6455", None, Some(25));
    let (mut now, mut pings) = (Duration::ZERO, Vec::new());
    while pings.len() < 5 {
        let Some(Timer::KeepAlive(tick)) = session.timer() else {
            panic!("it is not looked after");
        };
        now += tick;
        session.handle_timeout().unwrap();
        if !drain(session.outgoing()).is_empty() {
            pings.push(now);
            let mut src = BytesMut::from(&hex("8a80 00000000")[..]);
            assert_eq!(session.receive(&mut src), Ok(None));
        }
    }
    assert_eq!(pings, [25.0, 50.0, 75.0, 100.0, 125.0].map(seconds));
    let (pinged, given_up) = silence(&mut session);
    assert_eq!(pinged, Some(seconds(25.0)));
    assert_eq!(given_up.unwrap().0, seconds(33.0));
}

#[test]
fn an_awaited_pong_is_reported_once() {
    let mut session = session("rfc6455", None, Some(20));
    // Receives bytes and returns whether they contain the awaited pong.
    let receive = |session: &mut Session, bytes: &str| {
        let mut src = BytesMut::from(&hex(bytes)[..]);
        session.receive(&mut src).unwrap();
        session.take_pong()
    };
    const PONG: &str = "8a80 00000000";
    assert!(!receive(&mut session, PONG), "there was no ping");
    let ping = |session: &mut Session| {
        while drain(session.outgoing()).is_empty() {
            session.handle_timeout().unwrap();
        }
    };
    ping(&mut session);
    assert!(!receive(&mut session, "8181 00000000 61"));
    assert!(
        !receive(&mut session, "8a81 00000000 61"),
        "of no ping of ours"
    );
    assert!(receive(&mut session, PONG));
    assert!(!receive(&mut session, PONG));
    ping(&mut session);
    assert!(!receive(&mut session, "8181 00000000 61"));
    session.handle_timeout().unwrap();
    assert!(!receive(&mut session, PONG), "it is late");
}

/// A peer that has sent something is given up at most a quarter of an interval later.
#[test]
fn a_peer_that_falls_silent_is_closed_in_time() {
    let mut session = session("rfc6455", None, Some(20));
    let mut src = BytesMut::from(&hex("8181 00000000 61")[..]);
    assert!(session.receive(&mut src).unwrap().is_some());
    let (pinged, given_up) = silence(&mut session);
    assert_eq!(pinged, Some(seconds(25.0)));
    assert_eq!(given_up.unwrap().0, seconds(33.0));
}

/// A few bytes of an unfinished frame now and then are no sign of life; a complete frame is, and so
/// are the bytes of a slow line.
#[test]
fn a_few_bytes_of_an_incomplete_frame_are_no_sign_of_life() {
    let fragment = hex("0081 00000000 61");
    for (bytes, is_alive) in [(&b"xx"[..], false), (&[b'x'; 400], true), (&fragment, true)] {
        let mut session = session("rfc6455", Some(4), None);
        let mut src = BytesMut::new();
        src.extend_from_slice(&if bytes == fragment {
            hex("0281 00000000 61")
        } else {
            hex("82ff 0000000000ffffff 00000000")
        });
        let mut ended = None;
        for _ in 0..12 {
            src.extend_from_slice(bytes);
            assert_eq!(session.receive(&mut src), Ok(None));
            ended = session.handle_timeout().err();
            if ended.is_some() {
                break;
            }
        }
        let expected = Some(ProtocolError::Idle).filter(|_| !is_alive);
        assert_eq!(ended, expected, "{} bytes a second", bytes.len());
    }
}
