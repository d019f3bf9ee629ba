//! Input: the role (bit 7) with hixie-75 or hixie-76 (bit 0) and the subprotocol `base64`
//! (bit 1), the size of a chunk, and what the peer sends after the handshake.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polysock_protocols::{Event, find_protocol};
use polysock_protocols_fuzz::{decode, encode, ends, role};

fuzz_target!(|input: &[u8]| {
    let [first, chunk, bytes @ ..] = input else {
        return;
    };
    let name = if first & 1 == 0 {
        "hixie-75"
    } else {
        "hixie-76"
    };
    let base64 = first & 2 != 0;
    let codecs = || {
        ends(
            find_protocol(name).unwrap(),
            role(*first),
            base64.then_some("base64"),
        )
    };
    let (mut codec, _) = codecs();
    let (events, error) = decode(&mut *codec, bytes, bytes.len());
    let (mut ours, mut peer) = codecs();
    let (again, same) = decode(&mut *ours, bytes, usize::from(*chunk));
    assert_eq!(same, error);
    // If the base64 is invalid, more of the message was decoded where it arrived in pieces.
    if base64 && error.is_some() {
        return;
    }
    assert_eq!(again, events);
    for event in events {
        let whole = !matches!(&event, Event::Data(piece) if !piece.end);
        if whole {
            let bytes = encode(&mut *ours, event.clone());
            assert_eq!(decode(&mut *peer, &bytes, 1).0, [event]);
        }
    }
});
