//! Input: the role (bit 7) with the protocol (the rest), then the steps of the session: for each a
//! byte that selects the step, a length, and that many bytes.
#![no_main]

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use polysock_protocols::{
    Close, CloseCode, EncodeError, Message, PROTOCOLS, Session, SessionConfig,
};
use polysock_protocols_fuzz::{ends, role};

/// The most output besides sent messages: pongs up to the limit and one more, a close, and our
/// pings.
const MAX_OUTGOING: usize = 4096 + 2 * 1100;

fuzz_target!(|input: &[u8]| {
    let [first, input @ ..] = input else { return };
    let protocol = PROTOCOLS[usize::from(*first & 0x7f) % PROTOCOLS.len()];
    let config = SessionConfig {
        max_message: 200,
        idle_timeout: Some(Duration::from_secs(60)),
        ping_interval: Some(Duration::from_secs(20)),
        ..SessionConfig::default()
    };
    let mut session = Session::new(ends(protocol, role(*first), None).0, config);
    let mut src = BytesMut::new();
    let mut input = input;
    // An upper bound of the output that comes from our own sends.
    let mut sent = 0;
    while let [what, len, rest @ ..] = input {
        let (bytes, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        input = rest;
        let was_open = session.is_open();
        match what % 8 {
            0 | 1 => receive(&mut session, &mut src, bytes),
            2 => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                let result = session.send(text.into());
                assert_eq!(result == Err(EncodeError::Closing), !was_open);
                sent += 4 * bytes.len() + 20;
            }
            3 => {
                let bytes = Bytes::copy_from_slice(bytes);
                sent += bytes.len() + 20;
                let _ = session.send(Message::Binary(bytes));
            }
            4 => {
                let code = CloseCode::new(u16::from(*len) + 1000);
                let reason = String::from_utf8_lossy(bytes).into_owned();
                session.close(code.map(|code| Close::new(code, reason)));
                assert!(!session.is_open());
            }
            5 => {
                let result = session.handle_timeout();
                assert!(result.is_ok() || session.closed().is_some());
                sent += 20;
            }
            6 => {
                let waiting = session.outgoing().len();
                let count = usize::from(*len).min(waiting);
                session.outgoing().advance(count);
                if count == waiting {
                    sent = 0;
                }
            }
            _ => {
                session.receive_eof();
                assert!(session.closed().is_some());
            }
        }
        assert!(session.outgoing().len() <= MAX_OUTGOING + sent);
        assert_eq!(session.timer().is_none(), session.closed().is_some());
        assert!(
            was_open || !session.is_open(),
            "a closed session opened again"
        );
    }
});

fn receive(session: &mut Session, src: &mut BytesMut, bytes: &[u8]) {
    src.extend_from_slice(bytes);
    loop {
        match session.receive(src) {
            Ok(Some(message)) => assert!(message.as_bytes().len() <= 200),
            Ok(None) => break,
            Err(error) => {
                let closed = session.closed().unwrap();
                assert_eq!(closed.close.as_ref().unwrap().code, error.close_code());
                break;
            }
        }
    }
    assert!(session.closed().is_none() || src.is_empty() || session.receive(src) == Ok(None));
}
