//! Input: the role (bit 7) with the compression (bits 5 and 6) and the protocol (the rest), the size
//! of a chunk, and what the peer sends after the handshake.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polysock_protocols::{Event, PROTOCOLS, ProtocolError};
use polysock_protocols_fuzz::{compression, decode, encode, ends_with, role};

fuzz_target!(|input: &[u8]| {
    let [first, chunk, bytes @ ..] = input else {
        return;
    };
    let hybi = &PROTOCOLS[2..];
    let protocol = hybi[usize::from(*first & 0x1f) % hybi.len()];
    let (compression, withheld) = compression(*first);
    let ends = || ends_with(protocol, role(*first), None, compression, withheld);
    let (mut codec, _) = ends();
    let whole = decode(&mut *codec, bytes, bytes.len());
    let (mut ours, _) = ends();
    let in_chunks = decode(&mut *ours, bytes, usize::from(*chunk));
    if whole.1 == Some(ProtocolError::Deflate) {
        // Data before the corrupt part may be lost with it.
        assert_eq!(in_chunks.1, whole.1);
    } else {
        assert_eq!(in_chunks, whole);
    }
    // Drafts 01 to 03 may have changed to the framing of hixie, which our client does not read.
    if protocol.version().is_none() {
        return;
    }
    // Two fresh codecs: a codec that has read a close would echo it.
    let (mut ours, mut peer) = ends();
    for event in whole.0 {
        match &event {
            Event::Data(piece) if !piece.end => continue,
            // A draft does not write all the codes that it reads.
            Event::Close(Some(_)) if protocol.version() != Some(13) => continue,
            // A joined or inflated message may exceed the frame limit when written as one frame.
            Event::Data(piece) if piece.payload.len() > 900 => continue,
            _ => {}
        }
        let bytes = encode(&mut *ours, event.clone());
        assert_eq!(decode(&mut *peer, &bytes, 1).0, [event]);
    }
});
