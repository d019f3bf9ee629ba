//! Frames of the hixie protocols, in both directions, cut in any way.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use polysock_protocols::Role::{Client, Server};
use polysock_protocols::{Accept, Codec, Event, Negotiation, Role};
use support::rows::{assert_both_ways, assert_read, hel_lo, row, run};
use support::{Joined, assert_decodes, binary, context, encode, hex, open, protocol, text};

const HIXIE: &[&str] = &["hixie-75", "hixie-76"];
const BOTH: &[Role] = &[Client, Server];

#[test]
fn hixie_frames() {
    assert_both_ways(&[
        row(HIXIE, BOTH, "00 48656c6c6f ff", vec![text("Hello")]),
        row(HIXIE, BOTH, "00 48656c6c6f ff", hel_lo()),
        row(HIXIE, BOTH, "00 ff", vec![text("")]),
        row(HIXIE, BOTH, "00 0a00 ff", vec![text("\n\0")]),
        row(&["hixie-76"], BOTH, "ff 00", vec![Event::Close(None)]),
    ]);
}

/// The end of the stream is the only form of close.
#[test]
fn hixie_75_closes_without_a_frame() {
    for sender in BOTH {
        let (mut from, _) = Joined::new("hixie-75").ends(*sender);
        assert_eq!(encode(&mut *from, &[Event::Close(None)]), []);
    }
}

#[test]
fn hixie_frames_of_unknown_type_are_discarded() {
    let hello = || vec![text("Hello")];
    let discarded = |prefix: &str| {
        let digits = format!("{prefix} 00 48656c6c6f ff");
        (HIXIE, BOTH, digits, hello())
    };
    assert_read(&[
        discarded("80 02 4865"),
        discarded("80 01 78"),
        discarded("80 00"),
        discarded("01 6e ff"),
        discarded("7f ff"),
        discarded("01 00 80 ff"),
        discarded(&format!("80 7f {}", run(0x78, 127))),
        discarded(&format!("80 8100 {}", run(0xff, 128))),
        discarded(&format!("80 8148 {}", run(0x00, 200))),
        discarded(&format!("fe 818000 {}", run(0x00, 16384))),
        discarded("80 80 80 01 ff"),
        discarded("ff 02 6162"),
        row(&["hixie-75"], BOTH, "ff00 00 69 ff", vec![text("i")]),
        row(&["hixie-76"], BOTH, "ff 80 00", vec![Event::Close(None)]),
        row(&["hixie-76"], BOTH, "ff 80 80 00", vec![Event::Close(None)]),
        row(
            &["hixie-76"],
            BOTH,
            "ff00 00 69 ff",
            vec![Event::Close(None)],
        ),
    ]);
}

/// A server sends and reads binary messages in `80` frames if Kaazing's client requests it.
#[test]
fn a_kaazing_client_gets_binary_in_length_frames() {
    let serve = || -> Box<dyn Codec> {
        let head = "GET /?encoding=binary HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
            Host: h\r\nOrigin: http://h\r\nSec-WebSocket-Key1: 1 2\r\nSec-WebSocket-Key2: 1 2\r\n\r\n\
            12345678";
        let mut src = head.as_bytes().into();
        let protocols = [protocol("hixie-76")];
        let mut negotiation = Negotiation::new(&protocols, Default::default());
        let negotiated = open(&mut negotiation, &mut src, &context());
        let mut opening = negotiated.unwrap().flatten().unwrap();
        let mut dst = Default::default();
        let codec = opening
            .responder
            .respond(&Accept::default(), &mut src, &mut dst);
        codec.unwrap().unwrap()
    };
    for (digits, event) in [
        ("80 00".to_owned(), binary("")),
        ("80 03 616263".to_owned(), binary("abc")),
        ("00 616263 ff".to_owned(), text("abc")),
        (
            format!("80 8100 {}", run(0xff, 128)),
            binary(vec![0xff; 128]),
        ),
        (
            format!("80 848000 {}", run(7, 65536)),
            binary(vec![7; 65536]),
        ),
    ] {
        let events = [event];
        assert_eq!(encode(&mut *serve(), &events), hex(&digits));
        assert_decodes(
            &format!("{digits:.60}"),
            serve,
            &hex(&digits),
            &events,
            None,
        );
    }
}
