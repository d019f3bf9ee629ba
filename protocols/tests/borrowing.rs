//! Borrowed short messages follow the same rules as received ones.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::BytesMut;
use polysock_protocols::Role::{Client, Server};
use polysock_protocols::{Limits, Message, ProtocolError, RawCodec, Session, SessionConfig, Timer};
use support::sessions::{limited, session};
use support::{Joined, Setup, hex};

/// Takes all messages of some bytes, those that can be borrowed and the others.
fn take(session: &mut Session, src: &mut BytesMut) -> Result<Taken, ProtocolError> {
    let mut taken = Taken::default();
    loop {
        let stopped: Option<Infallible> = session.receive_borrowed(src, |message, _| {
            taken.borrowed.push(message.into_owned());
            ControlFlow::Continue(())
        })?;
        assert_eq!(stopped, None);
        match session.receive(src)? {
            Some(message) => taken.received.push(message),
            None => return Ok(taken),
        }
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Taken {
    borrowed: Vec<Message>,
    received: Vec<Message>,
}

#[test]
fn a_message_over_the_limit_is_not_borrowed() {
    let error = ProtocolError::MessageTooLong { limit: 5 };
    for (name, end, fits, exceeds) in [
        ("rfc6455", Client, "8105 48656c6c6f", "8106 48656c6c6f21"),
        (
            "rfc6455",
            Server,
            "8285 00000000 48656c6c6f",
            "8286 00000000 48656c6c6f21",
        ),
        ("hixie-76", Server, "00 48656c6c6f ff", "00 48656c6c6f21 ff"),
    ] {
        let (mut session, _) = limited(name, end, 5);
        let taken = take(&mut session, &mut BytesMut::from(&hex(fits)[..])).unwrap();
        assert_eq!(
            (taken.borrowed.len(), taken.received.len()),
            (1, 0),
            "{name}"
        );
        let refused = take(&mut session, &mut BytesMut::from(&hex(exceeds)[..]));
        assert_eq!(refused, Err(error), "{name} {exceeds}");
    }
}

#[test]
fn a_frame_over_the_limit_of_the_codec_is_not_borrowed() {
    let mut setup = Setup::default();
    setup.server.limits = Limits {
        frame: 2,
        ..Limits::default()
    };
    let codec = Joined::with("rfc6455", &setup).server;
    let mut session = Session::new(codec, SessionConfig::default());
    let mut src = BytesMut::from(&hex("8282 00000000 4865 8283 00000000 48656c")[..]);
    let error = take(&mut session, &mut src).unwrap_err();
    assert_eq!(error, ProtocolError::FrameTooLong { len: 3, limit: 2 });
}

#[test]
fn payload_is_not_read_as_frames() {
    for (name, end, frame, header, is_discarded) in [
        (
            "rfc6455",
            Server,
            "8281 00000000 78",
            "82fe 1800 00000000",
            false,
        ),
        ("rfc6455", Client, "8201 78", "827e 1800", false),
        ("hixie-76", Server, "00 78 ff", "80 b0 00", true),
    ] {
        let (mut session, _) = session(name, end);
        let mut src = BytesMut::from(&hex(frame)[..]);
        assert_eq!(take(&mut session, &mut src).unwrap().borrowed.len(), 1);
        // First the header alone, then a payload that consists of bytes like those of frames.
        src.extend_from_slice(&hex(header));
        assert_eq!(take(&mut session, &mut src), Ok(Taken::default()), "{name}");
        let payload: Vec<u8> = hex(frame).into_iter().cycle().take(0x1800).collect();
        src.extend_from_slice(&payload);
        let taken = take(&mut session, &mut src).unwrap();
        assert_eq!(taken.borrowed, [], "{name}");
        let whole = (!is_discarded).then(|| Message::binary(payload));
        assert_eq!(taken.received, Vec::from_iter(whole), "{name}");
    }
}

#[test]
fn a_byte_stream_is_borrowed_as_received_and_its_end_is_no_message() {
    let mut session = Session::new(RawCodec::boxed(), SessionConfig::default());
    let taken = take(&mut session, &mut BytesMut::from("some")).unwrap();
    assert_eq!(taken.borrowed, [Message::binary("some")]);
    assert_eq!(
        take(&mut session, &mut BytesMut::new()),
        Ok(Taken::default())
    );
}

#[test]
fn a_peer_whose_messages_are_borrowed_is_not_silent() {
    let config = SessionConfig {
        idle_timeout: Some(Duration::from_secs(60)),
        ..SessionConfig::default()
    };
    let mut session = Session::new(Joined::new("rfc6455").server, config);
    let frame = hex("8281 00000000 78");
    let mut passed = Duration::ZERO;
    while passed < Duration::from_secs(600) {
        let Some(Timer::KeepAlive(tick)) = session.timer() else {
            panic!("given up after {passed:?}");
        };
        passed += tick;
        assert_eq!(session.handle_timeout(), Ok(()));
        let taken = take(&mut session, &mut BytesMut::from(&frame[..])).unwrap();
        assert_eq!(taken.borrowed.len(), 1);
    }
}
