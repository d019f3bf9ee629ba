//! Input: a byte for whether the input starts with a greeting, and for the size of the pieces; then
//! the bytes of a ZeroMQ peer.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

use self::zmtp::{Frames, Kind, MAX_MESSAGE, Received, ZmtpError, take_greeting, take_ready};

#[path = "../../src/zmq/zmtp.rs"]
#[allow(dead_code, reason = "what we say is not fuzzed")]
mod zmtp;

fuzz_target!(|input: &[u8]| {
    let Some((how, bytes)) = input.split_first() else {
        return;
    };
    let opens = how & 1 != 0;
    let all = taken(bytes, bytes.len().max(1), opens);
    let piece = usize::from(how >> 1).max(1);
    assert_eq!(taken(bytes, piece, opens), all);
    for received in all.0 {
        match received {
            Received::Message(message) if message.parts.is_empty() => {
                assert!(message.count > 2 || message.len > MAX_MESSAGE);
            }
            Received::Message(message) => {
                let len: usize = message.parts.iter().map(|part| part.len()).sum();
                assert_eq!((message.parts.len(), message.len), (message.count, len as u64));
                assert!(message.count <= 2 && message.len <= MAX_MESSAGE);
            }
            Received::Ping(context) => assert!(zmtp::pong(&context).len() <= 23),
        }
    }
});

/// Parses these bytes in pieces of this size. Returns all results, and the error that ended the
/// parsing.
fn taken(bytes: &[u8], piece: usize, opens: bool) -> (Vec<Received>, Option<ZmtpError>) {
    let mut taken = Vec::new();
    let ended = take(bytes, piece, opens, &mut taken);
    (taken, ended.err())
}

fn take(
    bytes: &[u8],
    piece: usize,
    opens: bool,
    taken: &mut Vec<Received>,
) -> Result<(), ZmtpError> {
    let (mut is_greeted, mut is_ready) = (!opens, !opens);
    let (mut frames, mut from) = (Frames::default(), BytesMut::new());
    for piece in bytes.chunks(piece) {
        from.extend_from_slice(piece);
        if !is_greeted {
            is_greeted = take_greeting(&mut from)?.is_some();
        }
        if is_greeted && !is_ready {
            is_ready = take_ready(&mut from, Kind::Pull)?.is_some();
        }
        while is_ready && let Some(received) = frames.take(&mut from)? {
            taken.push(received);
        }
        assert!(from.len() <= bytes.len());
    }
    Ok(())
}
