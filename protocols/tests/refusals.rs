//! Accepted and refused opening handshakes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use bytes::BytesMut;
use polysock_protocols::http::HeadLimits;
use polysock_protocols::{
    DEFAULT_PROTOCOLS, HandshakeError, Negotiation, PROTOCOLS, Protocol, Rejection,
};
use support::{context, open, protocol};

const RFC6455: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
const HIXIE_75: &str = "GET /chat HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
    Host: example.com\r\nOrigin: http://example.com\r\n\r\n";
const HIXIE_76: &str = "GET /chat HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
    Host: example.com\r\nOrigin: http://example.com\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
    Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U";

/// Returns the outcome of a request, whole and byte by byte: a protocol's name or a status.
fn outcome(request: &str, protocols: &[&'static dyn Protocol]) -> Result<&'static str, u16> {
    let advance = |chunks: Vec<&[u8]>| {
        let mut negotiation = Negotiation::new(protocols, HeadLimits::default());
        let mut src = BytesMut::new();
        for chunk in chunks {
            src.extend_from_slice(chunk);
            match open(&mut negotiation, &mut src, &context()) {
                Ok(None) => {}
                Ok(Some(Some(opening))) => {
                    return Ok(opening.request.protocol.name());
                }
                Ok(Some(None)) => return Ok("http"),
                Err(error) => return Err(error.status()),
            }
        }
        panic!("incomplete: {request:?}");
    };
    let whole = advance(vec![request.as_bytes()]);
    let head = request.find("\r\n\r\n").unwrap_or(0) + 4;
    if head == request.len() {
        assert_eq!(
            advance(request.as_bytes().chunks(1).collect()),
            whole,
            "bytewise"
        );
    }
    whole
}

/// Checks the outcomes of a request in which one text is replaced by another.
fn assert_outcomes(base: &str, rows: &[(&str, &str, Result<&'static str, u16>)]) {
    for (from, to, expected) in rows {
        assert!(base.contains(from), "{from:?} does not occur");
        let request = base.replacen(from, to, 1);
        assert_eq!(outcome(&request, PROTOCOLS), *expected, "{request}");
    }
}

#[test]
fn all_protocols_check_method_version_host_and_limits() {
    let many = format!("Host: example.com\r\n{}", "A: b\r\n".repeat(100));
    let long = format!("Host: example.com\r\nA: {}\r\n", "b".repeat(17_000));
    for (base, name) in [
        (RFC6455, "rfc6455"),
        (HIXIE_75, "hixie-75"),
        (HIXIE_76, "hixie-76"),
    ] {
        assert_outcomes(
            base,
            &[
                ("GET ", "GET ", Ok(name)),
                ("GET ", "POST ", Err(405)),
                ("GET ", "get ", Err(405)),
                ("HTTP/1.1", "HTTP/1.0", Err(400)),
                ("/chat", "chat", Err(400)),
                ("/chat", "*", Err(400)),
                ("/chat", "/chat#a", Err(400)),
                ("/chat", "HTTP://example.com/chat", Ok(name)),
                ("Host:", "Origin: http://a\tb\r\nHost:", Err(400)),
                ("/chat", "http://example.com:80/chat", Ok(name)),
                ("/chat", "ws://example.com?x=/1", Ok(name)),
                ("/chat", "ws://example.com#a", Err(400)),
                ("Host: example.com\r\n", "", Err(400)),
                ("Host: example.com", "Host: a\r\nHost: a", Err(400)),
                ("Host: example.com", "Host:", Err(400)),
                ("Host: example.com", "Host: a b", Err(400)),
                ("Host: example.com", "Host: a:0", Err(400)),
                ("Host: example.com", "Host: a:65536", Err(400)),
                ("Host: example.com", "hOST: a:65535", Ok(name)),
                ("Host: example.com", "Host: a:", Ok(name)),
                ("Host: example.com", "Host: [::1]:", Ok(name)),
                ("Host: example.com", " Host: a", Err(400)),
                ("Host: example.com", "Host : a", Err(400)),
                ("Host: example.com", "Host: a\r\nB: c\r\n d", Err(400)),
                ("Host: example.com", "Host: a\r\nB: \0", Err(400)),
                ("Host: example.com\r\n", &many, Err(431)),
                ("Host: example.com\r\n", &long, Err(431)),
                ("Connection: Upgrade", "Connection: Downgrade", Err(400)),
                (
                    "Connection: Upgrade",
                    "Connection: keep-alive, upgrade",
                    Ok(name),
                ),
                (
                    "Connection: Upgrade",
                    "Connection: a\r\nConnection: UPGRADE",
                    Ok(name),
                ),
                ("Connection: Upgrade\r\n", "", Err(400)),
                ("Upgrade: ", "Upgrade:   ", Ok(name)),
                ("Upgrade: ", "Upgrade: not", Err(400)),
                ("Upgrade: ", "Upgrade: h2c, ", Ok(name)),
                ("Upgrade: ", "Upgrade: websocket\r\nUpgrade: ", Ok(name)),
                ("Upgrade: ", "Upgrade: h2c\r\nUpgrade: ", Err(400)),
                ("Upgrade: ", "Upgrade: \"", Err(400)),
                ("Host:", "Transfer-Encoding: chunked\r\nHost:", Err(400)),
                ("Host:", "Content-Length: 0\r\nHost:", Ok(name)),
                ("Host:", "Content-Length: 1\r\nHost:", Err(400)),
                (
                    "Host:",
                    "Content-Length: 0\r\nContent-Length: 0\r\nHost:",
                    Err(400),
                ),
            ],
        );
    }
    assert_eq!(
        outcome(&HIXIE_75.replace("\r\n", "\n"), PROTOCOLS),
        Ok("hixie-75")
    );
    assert_outcomes(
        HIXIE_75,
        &[
            // Only this field marks the request as a WebSocket one.
            ("Upgrade: ", "X-Upgrade: ", Ok("http")),
            ("Upgrade: WebSocket", "Upgrade: web-socket/13", Err(400)),
            ("Upgrade: WebSocket", "Upgrade: WEB SOCKETS", Err(400)),
            (
                "Upgrade: WebSocket",
                "Upgrade: foo, \"WebSocket\"",
                Err(400),
            ),
        ],
    );
    for base in [RFC6455, HIXIE_76] {
        assert_outcomes(base, &[("Upgrade: ", "X-Upgrade: ", Err(400))]);
    }
    let smuggled = HIXIE_75.replace("Host:", "Content-Length: 0\nHost:");
    assert_eq!(outcome(&smuggled, PROTOCOLS), Err(400));
}

#[test]
fn the_version_field_selects_the_protocol() {
    let version = "Sec-WebSocket-Version: 13";
    assert_outcomes(
        RFC6455,
        &[
            ("Version: 13", "Version: 4", Ok("hybi-04")),
            ("Version: 13", "Version: 5", Ok("hybi-05")),
            ("Version: 13", "Version: 6", Ok("hybi-06")),
            ("Version: 13", "Version: 7", Ok("hybi-07")),
            ("Version: 13", "version: 8", Ok("hybi-10")),
            ("Version: 13", "Version: 0", Err(426)),
            ("Version: 13", "Version: 9", Err(426)),
            ("Version: 13", "Version: 14", Err(426)),
            ("Version: 13", "Version: 99999999999999999999", Err(426)),
            ("Version: 13", "Version:", Err(400)),
            ("Version: 13", "Version: x", Err(400)),
            ("Version: 13", "Version: -13", Err(400)),
            ("Version: 13", "Version: 13, 8", Err(400)),
            (
                version,
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13",
                Err(400),
            ),
            (
                version,
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key1: 1 2",
                Ok("rfc6455"),
            ),
            (
                version,
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Draft: 2",
                Ok("rfc6455"),
            ),
            (version, "A: b", Err(400)),
            (version, "Sec-WebSocket-Draft: 4", Err(400)),
        ],
    );
    assert_outcomes(
        HIXIE_76,
        &[
            ("Host:", "Sec-WebSocket-Draft: 0\r\nHost:", Ok("hixie-76")),
            ("Host:", "Sec-WebSocket-Draft: 1\r\nHost:", Ok("hybi-01")),
            ("Host:", "Sec-WebSocket-Draft: 2\r\nHost:", Ok("hybi-02")),
            ("Host:", "Sec-WebSocket-Draft: 3\r\nHost:", Ok("hybi-03")),
            ("Host:", "Sec-WebSocket-Draft: 4\r\nHost:", Err(400)),
            ("Host:", "Sec-WebSocket-Draft:\r\nHost:", Err(400)),
            ("Host:", "Content-Length: 8\r\nHost:", Ok("hixie-76")),
            ("Host:", "Sec-WebSocket-Version: 13\r\nHost:", Err(400)),
            ("Host:", "Sec-WebSocket-Key: x\r\nHost:", Err(400)),
            ("Key1:", "Key3:", Err(400)),
            ("Key2:", "Key3:", Err(400)),
            ("Sec-WebSocket-Key1", "sec-websocket-KEY1", Ok("hixie-76")),
        ],
    );
    assert_outcomes(
        HIXIE_75,
        &[
            (
                "Host:",
                "WebSocket-Protocol: sample\r\nHost:",
                Ok("hixie-75"),
            ),
            ("Host:", "Sec-WebSocket-Protocol: sample\r\nHost:", Err(400)),
            ("Host:", "Sec-WebSocket-Draft: 0\r\nHost:", Err(400)),
            ("Host:", "Sec-WebSocket-Nonce: x\r\nHost:", Err(400)),
            ("Host:", "WebSocket-Location: ws://a/\r\nHost:", Err(400)),
            ("\r\n\r\n", "\r\n\r\n^n:ds[4U", Err(400)),
        ],
    );
}

#[test]
fn refuses_the_keys_that_no_client_makes() {
    let key = "Key1: 4 @1  46546xW%0l 1 5";
    assert_outcomes(
        HIXIE_76,
        &[
            (key, "Key1: a b c", Err(400)),
            (key, "Key1:", Err(400)),
            (key, "Key1: 1234", Err(400)),
            (key, "Key1: 1\t2", Err(400)),
            (key, "Key1: 86 753 09", Err(400)),
            (key, "Key1: 4294967296 x", Err(400)),
            (key, "Key1: 99999999999999999999999 x", Err(400)),
            (key, "Key1: 1 2\r\nSec-WebSocket-Key1: 1 2", Err(400)),
            (key, "Key1: 4294967295 x", Ok("hixie-76")),
            (key, "Key1: 0042 x", Ok("hixie-76")),
            (key, "Key1: 0 x", Ok("hixie-76")),
            ("Host:", "Sec-WebSocket-Protocol:\r\nHost:", Err(400)),
            ("Host:", "Sec-WebSocket-Protocol: é\r\nHost:", Err(400)),
        ],
    );
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    assert_outcomes(
        RFC6455,
        &[
            (key, "", Err(400)),
            (key, "dGhlIHNhbXBsZSBub25jZQ", Ok("rfc6455")),
            (key, "dGhlIHNhbXBsZSBub25j", Err(400)),
            (key, "dGhlIHNhbXBsZSBub25jZWU=", Err(400)),
            (key, "dGhlIHNhbXBsZSBub25jZ!==", Err(400)),
            (
                key,
                "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: x",
                Err(400),
            ),
            ("Sec-WebSocket-Key", "X-Key", Err(400)),
            ("Host:", "Sec-WebSocket-Protocol: a b\r\nHost:", Err(400)),
            (
                "Host:",
                "Sec-WebSocket-Protocol: a,\r\nSec-WebSocket-Protocol: b\r\nHost:",
                Ok("rfc6455"),
            ),
            (
                "Host:",
                "Sec-WebSocket-Extensions: \r\nHost:",
                Ok("rfc6455"),
            ),
            (
                "Host:",
                "Sec-WebSocket-Extensions: constructor\r\nHost:",
                Ok("rfc6455"),
            ),
            (
                "Host:",
                "Sec-WebSocket-Extensions: a; b=\"\\c\r\nHost:",
                Err(400),
            ),
            (
                "Host:",
                "Sec-WebSocket-Extensions: , a,, b ,\r\nHost:",
                Ok("rfc6455"),
            ),
        ],
    );
    // ws 0.4 sends fifteen bytes in version 8.
    let short = RFC6455
        .replace(key, "dGhlIHNhbXBsZSBub25j")
        .replace(": 13", ": 8");
    assert_eq!(outcome(&short, PROTOCOLS), Ok("hybi-10"));
}

#[test]
fn leaves_ordinary_http_alone() {
    for upgrade in [
        "TLS/1.2",
        "TLS/1.0, TLS/1.1, TLS/1.2",
        "HTTP/2.0",
        "h2c",
        "foo/1",
        "",
        ", ,",
        "web",
        "socket",
    ] {
        for method in ["GET", "HEAD", "POST"] {
            for connection in ["", "Connection: Upgrade\r\n", "Connection: close\r\n"] {
                for version in ["HTTP/1.1", "HTTP/1.0"] {
                    let head = format!(
                        "{method} / {version}\r\nHost: a\r\n{connection}Upgrade: {upgrade}\r\n\r\n"
                    );
                    assert_eq!(outcome(&head, PROTOCOLS), Ok("http"), "{head}");
                }
            }
        }
    }
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert_eq!(outcome(head, PROTOCOLS), Ok("http"), "{head}");
    }
}

#[test]
fn refuses_ordinary_http_that_can_be_read_in_two_ways() {
    for fields in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host: a b\r\n",
        "Host:\r\n",
        "Host: a\r\nContent-Length: 3\n",
        "Host: a\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n",
        "Host: a\r\nContent-Length: 3, 3\r\n",
        "Host: a\r\nContent-Length: -3\r\n",
        "Host: a\r\nTransfer-Encoding: gzip\r\n",
        "Host: a\r\nTransfer-Encoding: chunked, chunked\r\n",
    ] {
        for method in ["GET", "POST"] {
            let head = format!("{method} / HTTP/1.1\r\n{fields}\r\n");
            assert_eq!(outcome(&head, PROTOCOLS), Err(400), "{head}");
        }
    }
    let two_hosts = "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n";
    assert_eq!(outcome(two_hosts, PROTOCOLS), Err(400));
}

#[test]
fn refuses_protocols_that_are_not_enabled() {
    let enabled = DEFAULT_PROTOCOLS;
    let version = RFC6455.replace(": 13", ": 6");
    let draft = HIXIE_76.replace("Host:", "Sec-WebSocket-Draft: 1\r\nHost:");
    assert_eq!(outcome(HIXIE_75, enabled), Err(400));
    let stray = HIXIE_75.replace("Host:", "Sec-WebSocket-Origin: a\r\nHost:");
    let mut negotiation = Negotiation::new(enabled, HeadLimits::default());
    let error = open(&mut negotiation, &mut BytesMut::from(&*stray), &context());
    assert_eq!(error.err(), Some(HandshakeError::Key), "not hixie-75");
    assert_eq!(outcome(&version, enabled), Err(426));
    assert_eq!(outcome(&draft, enabled), Err(400));
    assert_eq!(outcome(HIXIE_76, &[protocol("rfc6455")]), Err(400));
    // Draft 2 is often hixie-76 by another name.
    let draft = HIXIE_76.replace("Host:", "Sec-WebSocket-Draft: 2\r\nHost:");
    assert_eq!(outcome(&draft, enabled), Ok("hixie-76"));
}

#[test]
fn a_refusal_is_written_byte_for_byte() {
    let enabled = DEFAULT_PROTOCOLS;
    let text = "Content-Type: text/plain; charset=utf-8\r\n";
    for (error, expected) in [
        (
            HandshakeError::Version,
            format!(
                "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade, close\r\n\
                Sec-WebSocket-Version: 13, 8, 7\r\nUpgrade: websocket\r\n{text}\
                Content-Length: 34\r\n\r\nunsupported Sec-WebSocket-Version\n"
            ),
        ),
        (
            HandshakeError::Method,
            format!(
                "HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nAllow: GET\r\n{text}\
                Content-Length: 42\r\n\r\nthe method of an opening handshake is GET\n"
            ),
        ),
        (
            HandshakeError::Key,
            format!(
                "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
                Sec-WebSocket-Version: 13, 8, 7\r\n{text}\
                Content-Length: 39\r\n\r\nmissing or malformed Sec-WebSocket-Key\n"
            ),
        ),
    ] {
        let mut dst = BytesMut::new();
        Rejection::of(&error, enabled).write(&mut dst);
        assert_eq!(String::from_utf8(dst.to_vec()).unwrap(), expected);
    }
}
