//! The import of sessions.

use std::fs;

use polysock_test_support::packets::{ACK, FIN, From, Link, pcap, pcapng};

use super::{HEAD, Imported, answer, connection, echo, told};

#[test]
fn an_imported_echo_keeps_segments_and_pauses() {
    for (name, file) in [
        (
            "echo.pcap",
            pcap(Link::Null, usize::MAX, &echo(HEAD).packets),
        ),
        ("echo.pcapng", pcapng(Link::Cooked, &echo(HEAD).packets)),
    ] {
        let imported = Imported::of("echo", name, &file, &[]);
        imported.assert_replays();
        let fixture = imported.fixture(0);
        assert_eq!(fixture.transcript.header("app"), None);
        assert_eq!(fixture.transcript.header("note"), None);
        assert_eq!(fixture.transcript.header("date"), Some("2020-09-13"));
        let seen = told(&fixture).1;
        assert_eq!(
            seen,
            [
                "= open rfc6455 \"/chat\"",
                "= text \"hi\"",
                "= binary hex 010203",
                "= close 1000"
            ]
        );
        let text = fs::read_to_string(&imported.files[0]).unwrap();
        assert!(
            text.contains(
                "\n> @1ms hex 8182000000\n> @1ms \\0hi\n= text \"hi\"\n< @1ms \\x81\\x02hi\n~\n"
            ),
            "{text}"
        );
        assert!(text.ends_with("< @1ms end\n~\n> @1ms end\n"), "{text}");
    }
}

#[test]
fn an_imported_refusal_names_its_rule() {
    let head = HEAD.replace("GET", "POST");
    let mut connection = connection(50000);
    connection.say(From::Client, head.as_bytes());
    connection.say(From::Server, &answer(&head));
    connection.segment(From::Server, FIN | ACK, b"");
    let imported = Imported::of(
        "refusal",
        "post.pcap",
        &pcap(Link::Raw, usize::MAX, &connection.packets),
        &[],
    );
    assert_eq!(imported.names(), ["post-001-refused.wire"]);
    imported.assert_replays();
    let text = fs::read_to_string(&imported.files[0]).unwrap();
    assert!(
        text.ends_with("end\n! 405 \"the method of an opening handshake is GET\"\n"),
        "{text}"
    );
}

#[test]
fn a_session_of_another_server_is_imported_unchanged() {
    let mut connection = connection(50000);
    connection.say(From::Client, HEAD.as_bytes());
    connection.say(
        From::Server,
        b"HTTP/1.1 101 Switching Protocols\r\nServer: other\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
    connection.say(From::Server, b"\x81\x05hello");
    connection.say(From::Client, b"\x81\x82\0\0\0\0hi");
    let imported = Imported::of(
        "other",
        "other.pcap",
        &pcap(Link::Raw, usize::MAX, &connection.packets),
        &[],
    );
    let fixture = imported.fixture(0);
    assert!(
        fixture
            .transcript
            .header("note")
            .unwrap()
            .contains("recorded from another server")
    );
    assert_eq!(
        told(&fixture).1,
        [
            "= open rfc6455 \"/chat\"",
            "+ text \"hello\"",
            "= text \"hi\""
        ]
    );
    assert!(
        fs::read_to_string(&imported.files[0])
            .unwrap()
            .contains("\n< Server: other\\r\\n\n")
    );
}

#[test]
fn secrets_are_masked_unless_they_are_to_be_kept() {
    let head = HEAD.replace("/chat", "/chat?token=s3cr3t-token").replace(
        "Host:",
        "Cookie: id=s3cr3t-cookie\r\nAuthorization: Basic czNjcjN0\r\nHost:",
    );
    let file = pcap(Link::Loop, usize::MAX, &echo(&head).packets);
    let masked = Imported::of("masked", "secret.pcap", &file, &[]);
    masked.assert_replays();
    let text = fs::read_to_string(&masked.files[0]).unwrap();
    assert!(
        !text.contains("s3cr3t") && !text.contains("czNjcjN0"),
        "{text}"
    );
    assert!(
        text.contains("= open rfc6455 \"/chat?token=xxxxxxxxxxxx\""),
        "{text}"
    );
    assert!(text.contains("are replaced by stand-ins"), "{text}");
    let kept = Imported::of("kept", "secret.pcap", &file, &["--keep-secrets"]);
    kept.assert_replays();
    let (masked, kept) = (told(&masked.fixture(0)).0, told(&kept.fixture(0)).0);
    assert_eq!(kept[..head.len()], *head.as_bytes());
    assert_eq!(masked.len(), kept.len());
    let differ = masked.iter().zip(&kept).filter(|(one, other)| one != other);
    assert!(differ.clone().all(|(stand_in, _)| *stand_in == b'x'));
    assert_eq!(
        differ.count(),
        "s3cr3t-token".len() + "s3cr3t-cookie".len() + "czNjcjN0".len()
    );
}

#[test]
fn a_handshake_after_an_ordinary_request_is_found() {
    let mut connection = connection(50000);
    connection.say(
        From::Client,
        b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=b",
    );
    connection.say(
        From::Server,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    connection.say(From::Client, HEAD.as_bytes());
    connection.say(From::Server, &answer(HEAD));
    let imported = Imported::of(
        "behind",
        "behind.pcap",
        &pcap(Link::QinQ, usize::MAX, &connection.packets),
        &[],
    );
    imported.assert_replays();
    assert_eq!(told(&imported.fixture(0)).0, HEAD.as_bytes());
}
