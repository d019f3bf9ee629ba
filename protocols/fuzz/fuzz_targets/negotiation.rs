//! Input: the role (bit 7) with the protocol to dial (the rest), the size of a chunk, and what
//! the peer sends from its first byte on.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use polysock_protocols::http::HeadLimits;
use polysock_protocols::{
    Accept, Codec, Match, Negotiated, Negotiation, PROTOCOLS, Rejection, Role,
};
use polysock_protocols_fuzz::{context, dial, role};

fuzz_target!(|input: &[u8]| {
    let [first, chunk, bytes @ ..] = input else {
        return;
    };
    let chunks = bytes.chunks(usize::from(*chunk).max(1));
    let codec = match role(*first) {
        Role::Server => serve(chunks),
        Role::Client => call(usize::from(*first & 0x7f), chunks),
    };
    if let Some((mut codec, mut src)) = codec {
        while let Ok(Some(_)) = codec.decode(&mut src) {}
    }
});

fn serve<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Option<(Box<dyn Codec>, BytesMut)> {
    let mut negotiation = Negotiation::new(PROTOCOLS, HeadLimits::default());
    let (mut src, mut dst, mut opening) = (BytesMut::new(), BytesMut::new(), None);
    for chunk in chunks {
        src.extend_from_slice(chunk);
        if opening.is_none() {
            let negotiated = match negotiation.advance(&mut src) {
                Ok(None) => continue,
                Ok(Some(Negotiated::Http(_))) => return None,
                Ok(Some(Negotiated::WebSocket(recognised))) => recognised.open(&context()),
                Err(error) => Err(error),
            };
            match negotiated {
                Ok(new) => opening = Some(new),
                Err(error) => {
                    Rejection::of(&error, PROTOCOLS).write(&mut dst);
                    assert!((400..500).contains(&error.status()));
                    return None;
                }
            }
        }
        if let Some(opening) = &mut opening {
            let head = &opening.request.head;
            let says_yes = |protocol: &&&dyn polysock_protocols::Protocol| {
                protocol.recognise(head) == Match::Yes
            };
            assert!(PROTOCOLS.iter().filter(says_yes).count() <= 1);
            let accept = Accept::first_offered(&opening.request);
            let codec = opening.responder.respond(&accept, &mut src, &mut dst);
            if let Some(codec) = codec.unwrap() {
                return Some((codec, src));
            }
        }
    }
    None
}

fn call<'a>(
    protocol: usize,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> Option<(Box<dyn Codec>, BytesMut)> {
    let protocol = PROTOCOLS[protocol % PROTOCOLS.len()];
    let mut dialer = protocol.dial(&dial(Some("chat")), &context()).unwrap();
    let (mut src, mut dst) = (BytesMut::new(), BytesMut::new());
    dialer.advance(&mut src, &mut dst).unwrap();
    for chunk in chunks {
        src.extend_from_slice(chunk);
        if let Some(dialled) = dialer.advance(&mut src, &mut dst).ok()? {
            return Some((dialled.codec, src));
        }
    }
    None
}
