//! The client's checks of a server's answer.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use bytes::BytesMut;
use polysock_protocols::{Dial, DialError, PROTOCOLS};
use support::{Joined, Setup, context, protocol, sample_client};

/// Returns the result of a client that reads a server's answer, whole and byte by byte.
fn dialled(name: &str, dial: &Dial, answer: &[u8]) -> Result<(), DialError> {
    let mut context = context();
    context.entropy = sample_client;
    let advance = |chunk: usize| {
        let mut dialer = protocol(name).dial(dial, &context)?;
        let (mut src, mut dst) = (BytesMut::new(), BytesMut::new());
        assert!(dialer.advance(&mut src, &mut dst)?.is_none());
        for chunk in answer.chunks(chunk) {
            src.extend_from_slice(chunk);
            if dialer.advance(&mut src, &mut dst)?.is_some() {
                return Ok(());
            }
        }
        panic!("incomplete");
    };
    let whole = advance(answer.len());
    assert_eq!(advance(1), whole, "bytewise");
    whole
}

#[test]
fn a_client_checks_the_answer() {
    let lacks = |what| Err(format!("the server's answer lacks a valid {what}"));
    let refused = |status| Err(format!("the server answered with status {status}"));
    let rfc6455 = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let hixie_75 = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\n\
        Connection: Upgrade\r\nWebSocket-Origin: http://h\r\nWebSocket-Location: ws://h/\r\n\r\n";
    let offer = |names: &[&'static str]| Dial {
        host: "h".into(),
        subprotocols: names.iter().map(|name| (*name).into()).collect(),
        ..Dial::default()
    };
    let protocol = lacks("Sec-WebSocket-Protocol");
    let upgrade = lacks("Upgrade field");
    let connection = lacks("Connection field");
    let chosen = "\r\nSec-WebSocket-Protocol: b\r\n\r\n";
    for (name, offered, answer, from, to, expected) in [
        ("rfc6455", &[][..], rfc6455, "", "", Ok(())),
        ("rfc6455", &["a", "b"], rfc6455, "", "", Ok(())),
        ("rfc6455", &["a", "b"], rfc6455, "\r\n\r\n", chosen, Ok(())),
        (
            "rfc6455",
            &["a"],
            rfc6455,
            "\r\n\r\n",
            chosen,
            protocol.clone(),
        ),
        ("rfc6455", &[], rfc6455, "\r\n\r\n", chosen, protocol),
        ("rfc6455", &[], rfc6455, "101", "200", refused(200)),
        ("rfc6455", &[], rfc6455, "websocket", "h2c", upgrade.clone()),
        (
            "rfc6455",
            &[],
            rfc6455,
            "Connection: Upgrade",
            "Connection: close",
            connection.clone(),
        ),
        (
            "rfc6455",
            &[],
            rfc6455,
            "s3pP",
            "S3pP",
            lacks("Sec-WebSocket-Accept"),
        ),
        (
            "rfc6455",
            &[],
            rfc6455,
            "\r\n\r\n",
            "\r\nSec-WebSocket-Extensions: x\r\n\r\n",
            lacks("Sec-WebSocket-Extensions"),
        ),
        (
            "hybi-04",
            &[],
            rfc6455,
            "",
            "",
            lacks("Sec-WebSocket-Nonce"),
        ),
        ("hixie-75", &[], hixie_75, "", "", Ok(())),
        ("hixie-75", &["a"], hixie_75, "", "", lacks("subprotocol")),
        (
            "hixie-75",
            &["a"],
            hixie_75,
            "\r\n\r\n",
            "\r\nWebSocket-Protocol: a\r\n\r\n",
            Ok(()),
        ),
        ("hixie-75", &[], hixie_75, "101", "404", refused(404)),
        (
            "hixie-75",
            &[],
            hixie_75,
            "Upgrade: WebSocket",
            "Upgrade: x",
            upgrade,
        ),
        (
            "hixie-75",
            &[],
            hixie_75,
            "Connection: Upgrade",
            "Connection: x",
            connection,
        ),
        (
            "hixie-75",
            &[],
            hixie_75,
            "http://h",
            "http://i",
            lacks("origin"),
        ),
        (
            "hixie-75",
            &[],
            hixie_75,
            "ws://h/",
            "http://h/",
            lacks("location"),
        ),
    ] {
        let answer = answer.replacen(from, to, 1);
        assert_eq!(
            dialled(name, &offer(offered), answer.as_bytes()).map_err(|error| error.to_string()),
            expected,
            "{name} {answer}"
        );
    }
}

#[test]
fn the_response_of_a_refusing_server_is_kept() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: https://h/login\r\nSet-Cookie: a=b\r\n\r\n";
    let dial = Dial {
        host: "h".into(),
        ..Dial::default()
    };
    for protocol in PROTOCOLS {
        let refused = dialled(protocol.name(), &dial, answer.as_bytes()).unwrap_err();
        let DialError::Refused(response) = refused else {
            panic!("{}: {refused}", protocol.name());
        };
        assert_eq!(response.head.status(), Some(302));
        assert_eq!(
            response.head.value("location"),
            Some(&b"https://h/login"[..])
        );
        assert_eq!(response.head.as_bytes(), answer.as_bytes());
    }
}

/// The scheme in the server's location must be the dialled one.
#[test]
fn a_hixie_client_checks_the_scheme_it_dialled() {
    let answer = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\n\
        Connection: Upgrade\r\nWebSocket-Origin: https://h\r\nWebSocket-Location: wss://h/\r\n\r\n";
    let mut dial = Dial {
        secure: true,
        host: "h".into(),
        origin: Some("https://h".into()),
        ..Dial::default()
    };
    assert_eq!(dialled("hixie-75", &dial, answer.as_bytes()), Ok(()));
    dial.secure = false;
    let refused = Err(DialError::Answer("location"));
    assert_eq!(dialled("hixie-75", &dial, answer.as_bytes()), refused);
}

/// Interim answers before the final one are skipped, and a line may be folded (RFC 9110 §15.2, RFC
/// 9112 §5.2).
#[test]
fn a_client_of_any_protocol_skips_interim_answers() {
    for behind in PROTOCOLS {
        let name = behind.name();
        let Joined { response_bytes, .. } = Joined::sample(name);
        let dial = Setup::default().dial;
        assert_eq!(dialled(name, &dial, &response_bytes), Ok(()), "{name}");
        let line = response_bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap()
            + 1;
        let (first, rest) = response_bytes.split_at(line);
        let folded = [first, b"Server: a\r\n  b\r\nVia:\r\n\tc\r\n", rest].concat();
        for interim in [
            &b""[..],
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
        ] {
            let answer = [interim, &folded].concat();
            assert_eq!(dialled(name, &dial, &answer), Ok(()), "{name}");
        }
        let refused = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n";
        let error = dialled(name, &dial, refused).unwrap_err().to_string();
        assert_eq!(error, "the server answered with status 403", "{name}");
        let endless = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(17);
        let error = dialled(name, &dial, &endless).unwrap_err().to_string();
        assert_eq!(error, "too many interim answers", "{name}");
    }
}
