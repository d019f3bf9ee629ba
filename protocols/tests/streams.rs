//! Opening handshakes on streams of HTTP/2 (RFC 8441).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use bytes::{Bytes, BytesMut};
use polysock_protocols::http::{Head, HeadLimits};
use polysock_protocols::{
    Accept, DEFAULT_PROTOCOLS, Event, Fields, HandshakeError, Kind, Negotiation, Opening,
    PROTOCOLS, Piece, Protocol, Rejection, StreamAnswer, WriteBuf,
};

use crate::support::context;

const VERSION: (&str, &str) = ("sec-websocket-version", "13");

fn open(
    protocols: &[&'static dyn Protocol],
    authority: &str,
    fields: &[(&str, &str)],
) -> Result<Opening, HandshakeError> {
    let fields = fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
    let limits = HeadLimits::default();
    let head = Head::of_connect(Some(authority.as_bytes()), b"/chat?x", fields, &limits)?;
    Negotiation::recognise_stream(protocols, head)?.open(&context())
}

#[test]
fn a_stream_handshake_has_no_keys_and_no_answer_bytes() {
    let fields = [
        ("origin", "http://a.example"),
        VERSION,
        ("sec-websocket-protocol", "a, b"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("cookie", "c=d"),
    ];
    let mut opening = open(PROTOCOLS, "example.com:443", &fields).unwrap();
    let request = &opening.request;
    assert_eq!(request.protocol.name(), "rfc6455");
    assert_eq!(request.host, "example.com:443");
    assert_eq!(request.target, "/chat?x");
    assert_eq!(request.origin.as_deref(), Some("http://a.example"));
    assert_eq!(request.subprotocols, ["a", "b"]);
    assert_eq!(request.head.value("cookie"), Some(&b"c=d"[..]));

    let cookie = ("set-cookie", "e=f");
    let accept = Accept {
        fields: Fields::from([cookie]),
        subprotocol: Some("b".into()),
        ..Accept::default()
    };
    let StreamAnswer { fields, mut codec } = opening.responder.respond_on_stream(&accept).unwrap();
    let chosen = ("sec-websocket-protocol", "b");
    assert_eq!(fields, Fields::from([chosen, cookie]));

    // The frames are those of RFC 6455, masked only from the client.
    let mut src = BytesMut::from(&b"\x81\x82\0\0\0\0hi"[..]);
    let event = codec.decode(&mut src).unwrap().unwrap();
    let text = Piece {
        kind: Kind::Text,
        payload: Bytes::from_static(b"hi"),
        end: true,
    };
    assert_eq!(event, Event::Data(text));
    let mut dst = WriteBuf::new();
    codec.encode(event, &mut dst).unwrap();
    let mut written = BytesMut::new();
    bytes::BufMut::put(&mut written, dst);
    assert_eq!(written, &b"\x81\x02hi"[..]);
    assert!(
        codec
            .decode(&mut BytesMut::from(&b"\x81\x02hi"[..]))
            .is_err()
    );
}

#[test]
fn refuses_an_invalid_opening_handshake_on_a_stream() {
    use HandshakeError::{Body, Extensions, Host, Origin, StreamVersion, Subprotocol};
    let version = |version| ("sec-websocket-version", version);
    for (authority, fields, error) in [
        ("a", &[][..], StreamVersion),
        ("a", &[version("8")], StreamVersion),
        ("a", &[version("99")], StreamVersion),
        ("a", &[VERSION, VERSION], StreamVersion),
        ("a b", &[VERSION], Host),
        ("", &[VERSION], Host),
        ("a", &[VERSION, ("content-length", "0")], Body),
        ("a", &[VERSION, ("origin", "a\tb")], Origin),
        (
            "a",
            &[VERSION, ("sec-websocket-protocol", "a b")],
            Subprotocol,
        ),
        (
            "a",
            &[VERSION, ("sec-websocket-extensions", "a;")],
            Extensions,
        ),
    ] {
        let refused = open(PROTOCOLS, authority, fields).err();
        assert_eq!(refused, Some(error), "{authority} {fields:?}");
    }
    let legacy: Vec<_> = PROTOCOLS[..PROTOCOLS.len() - 1].to_vec();
    assert_eq!(open(&legacy, "a", &[VERSION]).err(), Some(StreamVersion));
}

#[test]
fn a_refusal_on_a_stream_lists_only_version_13() {
    let rejection = Rejection::of(&HandshakeError::StreamVersion, DEFAULT_PROTOCOLS);
    assert_eq!(rejection.status, 400);
    assert_eq!(
        rejection.fields,
        Fields::from([("Sec-WebSocket-Version", "13")])
    );
}
