//! Opening handshakes of servers, byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use bytes::BytesMut;
use polysock_protocols::http::HeadLimits;
use polysock_protocols::{Accept, Context, Fields, HandshakeError, Negotiation, PROTOCOLS};
use support::{context, hex, open, sample_server};

/// Key 1, key 2, the eight bytes, and the digest.
const DIGESTS: &[(&str, &str, &str, &str)] = &[
    (
        "4 @1  46546xW%0l 1 5",
        "12998 5 Y3 1  .P00",
        "5e6e3a64735b3455",
        "386a4b5327793a472a436f2c5778612d",
    ),
    (
        "4 @1  46546xW%0l 1 5",
        "12998 5 Y3 1  .P00",
        "6161616161616161",
        "ca3400d8a50847972cd5715ababf437b",
    ),
    (
        "388P O503D&ul7 {K%gX( %7  15",
        "1 N ?|k UT0or 3o  4 I97N 5-S3O 31",
        "4730222d5a3f4758",
        "30737433526c26712d325a555e776575",
    ),
    (
        "36 7   74 i  92 2'm 9 0G",
        "y  R2 48 Q1O4  e|BV3 i5 1  u- 65",
        "01d1dd3bd15663ff",
        "0b99fa55bd01237b45a2f1d0878aeeeb",
    ),
    (
        "3e6b263  4 17 80",
        "17  9 G`ZD9   2 2b 7X 3 /r90",
        "576a4e7d7c4d2836",
        "6e603965426b397a245238704f745662",
    ),
    (
        "1   38 wZ3f9 23O0 3l 0r",
        "27   0E 6 2  1665:< ;U 1H",
        "91253ed3a9e76a88",
        "b49c6e4053040426e51bbf6cb79f1df9",
    ),
    (
        "18x 6]8vM;54 *(5:  {   U1]8  z [  8",
        "1_ tx7X d  <  nw  334J702) 7]o}` 0",
        "546d5b4b20543275",
        "66514a2c664e2f344634217e4b7e4d48",
    ),
    (
        "55 997",
        "3  3  64  98",
        "000968320078c710",
        "c415c2c8295c948a95b94dec5b1d33ce",
    ),
    (
        "Y\" 4 1Lj!957b8@0H756!i",
        "1711 M;4\\74  80<6",
        "0ff5081202cc8521",
        "a9f4bf679221953b4a6843056376abec",
    ),
    (
        "z1f V  M4n1J068  7240",
        "42|23 4o5 3N85 0=",
        "87cf49ecab463972",
        "35c39e5e5be62bad70fd163a062454eb",
    ),
];

/// The values of `Sec-WebSocket-Key` and `Sec-WebSocket-Accept`.
const ACCEPTS: &[(&str, &str)] = &[
    ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
    ("JFBCWHksyIpXV+6Wlq/9pw==", "JdiiuafpBKRqD7eol0y4vJDTsTs="),
    ("nDaimG37f4nUqogPypithw==", "Uq2pD+MOrXQIut+yUNUP6dvhWBw="),
    ("ux63MC0852T2CjyVKr5pog==", "i15YeRbkqyQeAUbq2wME3AKN0mQ="),
    ("AcuUhj2bODH98AoF5vz3XA==", "Qo1xdyBV7I0b6IjAwBG4ETedhhg="),
    ("qqSUZf7gkYUO47sEGUgIJQ==", "OOyJskC0Wrte6ecPvY3JUemp9/U="),
    ("SdAvau6WMVRYsd9bg9/qMg==", "AAOHkuTUaqUIXr8PakLUpldUnKg="),
    ("U00QUfV1CRfIIU0NkcUCnA==", "7GGzyIJjf9bX7pej+3tc5Vv87S0="),
    ("wDqumtseNBJdhkihL6PW7w==", "0FFP+2nmNIf/h+4BP36k9uzrYGk="),
    ("7+C600xYybOv2zmJ69RQsw==", "fYoqiH14DgI+5ylEMwM2sOLzOi0="),
];

/// Returns a request with these fields, and with a body after its blank line.
fn request(fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("GET /chat HTTP/1.1\r\n{fields}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

const HIXIE: &str = "Upgrade: WebSocket\r\nConnection: Upgrade\r\nHost: example.com\r\n\
    Origin: http://example.com";

fn with_keys(key1: &str, key2: &str) -> String {
    format!("{HIXIE}\r\nSec-WebSocket-Key1: {key1}\r\nSec-WebSocket-Key2: {key2}")
}

fn with_version(version: u8, key: &str) -> String {
    format!(
        "Host: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: {version}"
    )
}

/// Serves a request that arrives in these chunks. Returns the protocol's name, all output, and the
/// length of the output after each chunk.
fn serve<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    accept: &Accept,
    context: &Context,
) -> Result<(&'static str, BytesMut, Vec<usize>), HandshakeError> {
    let mut negotiation = Negotiation::new(PROTOCOLS, HeadLimits::default());
    let (mut src, mut dst) = (BytesMut::new(), BytesMut::new());
    let (mut opening, mut written, mut codec) = (None, Vec::new(), None);
    for chunk in chunks {
        src.extend_from_slice(chunk);
        if opening.is_none() {
            match open(&mut negotiation, &mut src, context)? {
                Some(Some(new)) => opening = Some(new),
                Some(None) => panic!("taken for ordinary HTTP"),
                None => {}
            }
        }
        if let (Some(opening), None) = (&mut opening, &codec) {
            codec = opening.responder.respond(accept, &mut src, &mut dst)?;
        }
        written.push(dst.len());
    }
    assert!(codec.is_some(), "the handshake is incomplete");
    Ok((opening.unwrap().request.protocol.name(), dst, written))
}

#[test]
fn answers_the_published_keys_of_hixie_76() {
    for (key1, key2, body, digest) in DIGESTS {
        let (body, digest) = (hex(body), hex(digest));
        let head = request(&with_keys(key1, key2), &[]);
        let whole = [&head[..], &body].concat();
        let accept = Accept::default();
        let (name, answer, _) = serve([&whole[..]], &accept, &context()).unwrap();
        assert_eq!(
            (name, &answer[answer.len() - 16..]),
            ("hixie-76", &digest[..]),
            "{key1}"
        );

        let bytewise = serve(whole.chunks(1), &accept, &context()).unwrap();
        assert_eq!(bytewise.1, answer);
        // The head is sent without waiting for the eight bytes.
        let (_, again, written) = serve([&head[..], &body], &accept, &context()).unwrap();
        assert_eq!((again, written[0]), (answer.clone(), answer.len() - 16));
        // Bytes after the eight belong to the frames.
        let early = [&whole[..], &hex("00 69 ff")].concat();
        assert_eq!(serve([&early[..]], &accept, &context()).unwrap().1, answer);
    }
}

#[test]
fn answers_the_published_keys_of_all_versions() {
    for (key, expected) in ACCEPTS {
        for (version, name) in [
            (4, "hybi-04"),
            (5, "hybi-05"),
            (6, "hybi-06"),
            (7, "hybi-07"),
            (8, "hybi-10"),
            (13, "rfc6455"),
        ] {
            let whole = request(&with_version(version, key), &[]);
            let served = serve(whole.chunks(7), &Accept::default(), &context()).unwrap();
            let answer = String::from_utf8(served.1.to_vec()).unwrap();
            assert_eq!(served.0, name);
            assert!(
                answer.contains(&format!("Sec-WebSocket-Accept: {expected}\r\n")),
                "{answer}"
            );
        }
    }
}

#[test]
fn answers_byte_for_byte() {
    let accept = |subprotocol: Option<&'static str>| Accept {
        subprotocol: subprotocol.map(Into::into),
        ..Accept::default()
    };
    let cookie = Accept {
        fields: Fields::from([("Set-Cookie", "a=b")]),
        ..accept(Some("chat"))
    };
    let (key1, key2, body, digest) = DIGESTS[0];
    let keys = with_keys(key1, key2);
    let sample = "dGhlIHNhbXBsZSBub25jZQ==";
    let hixie_75 = "HTTP/1.1 101 Web Socket Protocol Handshake\r\n\
        Upgrade: WebSocket\r\n\
        Connection: Upgrade\r\n\
        WebSocket-Origin: http://example.com\r\n\
        WebSocket-Location: ws://example.com/chat\r\n";
    let hixie_76 = "HTTP/1.1 101 WebSocket Protocol Handshake\r\n\
        Upgrade: WebSocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Origin: http://example.com\r\n\
        Sec-WebSocket-Location: ws://example.com/chat\r\n";
    let hybi = "HTTP/1.1 101 Switching Protocols\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let digest = hex(digest);
    for (fields, body, accept, head, digest) in [
        (
            HIXIE.to_owned(),
            "",
            accept(None),
            format!("{hixie_75}\r\n"),
            &[][..],
        ),
        (
            format!("{HIXIE}\r\nWebSocket-Protocol: sample"),
            "",
            accept(Some("sample")),
            format!("{hixie_75}WebSocket-Protocol: sample\r\n\r\n"),
            &[],
        ),
        (
            keys.clone(),
            body,
            accept(None),
            format!("{hixie_76}\r\n"),
            &digest,
        ),
        (
            format!("{keys}\r\nSec-WebSocket-Protocol: chat"),
            body,
            cookie.clone(),
            format!("{hixie_76}Sec-WebSocket-Protocol: chat\r\nSet-Cookie: a=b\r\n\r\n"),
            &digest,
        ),
        (
            format!("{HIXIE}\r\nWebSocket-Protocol: chat, b"),
            "",
            accept(Some("chat")),
            format!("{hixie_75}WebSocket-Protocol: chat, b\r\n\r\n"),
            &[],
        ),
        (
            format!("{keys}\r\nSec-WebSocket-Protocol: chat,  b"),
            body,
            accept(Some("chat")),
            format!("{hixie_76}Sec-WebSocket-Protocol: chat,  b\r\n\r\n"),
            &digest,
        ),
        (
            format!("{keys}\r\nSec-WebSocket-Protocol: binary, base64"),
            body,
            accept(Some("base64")),
            format!("{hixie_76}Sec-WebSocket-Protocol: base64\r\n\r\n"),
            &digest,
        ),
        (
            format!("{keys}\r\nSec-WebSocket-Draft: 3\r\nSec-WebSocket-Protocol: chat b"),
            body,
            accept(Some("chat")),
            format!("{hixie_76}Sec-WebSocket-Protocol: chat\r\n\r\n"),
            &digest,
        ),
        (
            format!("{keys}\r\nSec-WebSocket-Draft: 3"),
            body,
            accept(None),
            format!("{hixie_76}\r\n"),
            &digest,
        ),
        (
            with_version(4, sample),
            "",
            accept(None),
            format!("{hybi}Sec-WebSocket-Nonce: H+cNj5elaybfGIQv1esl2w==\r\n\r\n"),
            &[],
        ),
        (
            with_version(6, sample),
            "",
            accept(None),
            format!("{hybi}\r\n"),
            &[],
        ),
        (
            with_version(8, sample),
            "",
            accept(None),
            format!("{hybi}\r\n"),
            &[],
        ),
        (
            format!(
                "{}\r\nSec-WebSocket-Protocol: a, chat",
                with_version(13, sample)
            ),
            "",
            cookie,
            format!("{hybi}Sec-WebSocket-Protocol: chat\r\nSet-Cookie: a=b\r\n\r\n"),
            &[],
        ),
    ] {
        let mut context = context();
        context.entropy = sample_server;
        let whole = request(&fields, &hex(body));
        let expected = [head.as_bytes(), digest].concat();
        let (_, answer, _) = serve([&whole[..]], &accept, &context).unwrap();
        assert_eq!(answer, expected, "{fields}");
        let (_, answer, _) = serve(whole.chunks(1), &accept, &context).unwrap();
        assert_eq!(answer, expected, "bytewise: {fields}");
    }
}

/// Browsers compare the location with the URL as they canonicalised it.
#[test]
fn the_location_is_the_url_as_the_browser_canonicalised_it() {
    for (secure, host, target, location) in [
        (false, "example.com", "/chat", "ws://example.com/chat"),
        (false, "EXAMPLE.com", "/Chat", "ws://example.com/Chat"),
        (false, "example.com:80", "/", "ws://example.com/"),
        (false, "example.com:443", "/", "ws://example.com:443/"),
        (false, "example.com:8080", "/", "ws://example.com:8080/"),
        (
            false,
            "example.com:8080",
            "/echo?",
            "ws://example.com:8080/echo?",
        ),
        (false, "example.com:", "/", "ws://example.com/"),
        (true, "[::1]:", "/", "wss://[::1]/"),
        (false, "example.com", "ws://h", "ws://example.com/"),
        (
            false,
            "example.com",
            "ws://h?u=/a",
            "ws://example.com/?u=/a",
        ),
        (false, "[::1]:80", "/?a=%20b&c", "ws://[::1]/?a=%20b&c"),
        (false, "[fe80::80]", "/", "ws://[fe80::80]/"),
        (true, "example.com", "/", "wss://example.com/"),
        (true, "example.com:443", "/", "wss://example.com/"),
        (true, "example.com:80", "/", "wss://example.com:80/"),
        (
            false,
            "example.com",
            "http://proxy:99/a?b",
            "ws://example.com/a?b",
        ),
        (
            false,
            "example.com",
            "ws://example.com",
            "ws://example.com/",
        ),
    ] {
        let context = Context {
            secure,
            ..context()
        };
        for (name, fields, body) in [
            ("WebSocket-Location", HIXIE.to_owned(), ""),
            (
                "Sec-WebSocket-Location",
                with_keys("1 2", "3 3"),
                "12345678",
            ),
        ] {
            let fields = fields.replace("Host: example.com", &format!("Host: {host}"));
            let whole = format!("GET {target} HTTP/1.1\r\n{fields}\r\n\r\n{body}");
            let (_, answer, _) = serve([whole.as_bytes()], &Accept::default(), &context).unwrap();
            let answer = String::from_utf8_lossy(&answer);
            assert!(
                answer.contains(&format!("\r\n{name}: {location}\r\n")),
                "{answer}"
            );
        }
    }
}

/// The origin is opaque, and is echoed unchanged.
#[test]
fn the_origin_is_echoed_byte_for_byte() {
    for origin in [
        "null",
        "file://",
        "HTTP://Example.COM/",
        "chrome-extension://x",
        "http://é",
    ] {
        let fields = with_keys("1 2", "3 3").replace("http://example.com", origin);
        let whole = request(&fields, b"12345678");
        let (_, answer, _) = serve([&whole[..]], &Accept::default(), &context()).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.contains(&format!("\r\nSec-WebSocket-Origin: {origin}\r\n")),
            "{answer}"
        );
    }
}
