//! Binary over text: the subprotocol `base64`, and the policy for clients without binary messages.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use polysock_protocols::Role::{Client, Server};
use polysock_protocols::{
    Codec, EncodeError, Event, Kind, PROTOCOLS, ProtocolError, Role, WriteBuf,
};
use support::{Joined, Setup, assert_decodes, binary, cut, decode, encode, piece, text};

/// Returns the two ends of a connection with the subprotocol `base64`.
fn ends(name: &str, sender: Role) -> (Box<dyn Codec>, Box<dyn Codec>) {
    let mut setup = Setup::default();
    setup.dial.subprotocols = vec!["base64".into()];
    Joined::with(name, &setup).settled().ends(sender)
}

/// Returns a text message in the framing of hixie-76.
fn framed(text: &str) -> Vec<u8> {
    [b"\x00", text.as_bytes(), b"\xff"].concat()
}

#[test]
fn bytes_travel_as_standard_base64() {
    for (bytes, encoded) in [
        (&b""[..], ""),
        (b"f", "Zg=="),
        (b"fo", "Zm8="),
        (b"foo", "Zm9v"),
        (b"\xff\xfe\xfd\xfc", "//79/A=="),
    ] {
        for sender in [Server, Client] {
            let events = [binary(bytes.to_vec())];
            let written = encode(&mut *ends("hixie-76", sender).0, &events);
            assert_eq!(written, framed(encoded));
            assert_decodes(
                encoded,
                || ends("hixie-76", sender).1,
                &written,
                &events,
                None,
            );
        }
    }
}

/// If base64 was negotiated, the peer decodes every message.
#[test]
fn text_is_encoded_as_base64_as_well() {
    for protocol in PROTOCOLS {
        for sender in [Server, Client] {
            let (mut from, mut to) = ends(protocol.name(), sender);
            let pieces = [
                piece(Kind::Text, "a", false),
                piece(Kind::Text, "bcd", false),
                piece(Kind::Text, "", true),
            ];
            let written = encode(&mut *from, &pieces);
            let decoded = decode(&mut *to, written.chunks(1));
            assert_eq!(decoded.events, [binary("abcd")], "{protocol:?}");
        }
    }
}

#[test]
fn refuses_invalid_base64_however_it_is_cut() {
    for encoded in [
        "YQ", "Y", "YQ=", "Y===", "YQ==YQ==", "YQ==Y", "YR==", "Y Q=", "=", "é",
    ] {
        let bytes = framed(encoded);
        for first in 1..bytes.len() {
            for second in 1..=bytes.len() - first {
                let chunks = cut(&bytes, &[first, second, usize::MAX]);
                let decoded = decode(&mut *ends("hixie-76", Client).1, chunks);
                assert_eq!(
                    decoded.error,
                    Some(ProtocolError::Base64),
                    "{encoded} {first} {second}"
                );
                let ended = |event: &Event| matches!(event, Event::Data(piece) if piece.end);
                assert!(!decoded.events.iter().any(ended));
            }
        }
    }
}

#[test]
fn a_message_after_one_with_padding_is_decoded_from_its_start() {
    let bytes = [framed("YQ=="), framed(""), framed("Yg==")].concat();
    let decoded = decode(&mut *ends("hixie-76", Client).1, bytes.chunks(1));
    assert_eq!(decoded.events, [binary("a"), binary(""), binary("b")]);
}

#[test]
fn a_hixie_close_within_a_base64_message_is_refused() {
    for (name, sender) in [
        ("hixie-75", Server),
        ("hixie-75", Client),
        ("hixie-76", Server),
        ("hixie-76", Client),
    ] {
        let mut from = ends(name, sender).0;
        let pieces = [
            piece(Kind::Binary, "foo", false),
            piece(Kind::Binary, "bar", false),
        ];
        assert_eq!(encode(&mut *from, &pieces), b"\x00Zm9v");
        let mut dst = WriteBuf::new();
        let closed = from.encode(Event::Close(None), &mut dst);
        assert_eq!(closed, Err(EncodeError::Unfinished));
        assert!(dst.is_empty());
    }
}

/// Messages from the client stay text.
#[test]
fn binary_over_text_encodes_only_sent_messages() {
    use polysock_protocols::BinaryOverText;
    let setup = Setup {
        binary_over_text: BinaryOverText::Base64,
        ..Setup::default()
    };
    for (name, written) in [
        ("hixie-76", framed("YQ==")),
        ("rfc6455", b"\x82\x01a".to_vec()),
    ] {
        let mut server = Joined::with(name, &setup).server;
        assert!(server.capabilities().binary);
        assert_eq!(encode(&mut *server, &[binary("a")]), written);
    }
    let mut server = Joined::with("hixie-76", &setup).server;
    assert_eq!(encode(&mut *server, &[text("a")]), framed("a"));
    assert_eq!(
        decode(&mut *server, [&framed("YQ==")[..]]).events,
        [text("YQ==")]
    );
}
