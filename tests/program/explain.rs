//! `polysock explain`: its input, its output and its exit codes.

use std::fs;

use polysock_test_support::corpus::texts;
use polysock_test_support::opening::{HIXIE_75, HIXIE_76, HIXIE_76_BODY, RFC6455, versioned, with};
use polysock_test_support::packets::{Connection, From, Link, pcap};
use polysock_test_support::program::Input;

use crate::POLYSOCK;

#[test]
fn the_advised_flag_accepts_the_handshake() {
    let directory = POLYSOCK.directory("explain/flags");
    let corpus = texts();
    let text = |name: &str| {
        let found = corpus.iter().find(|(other, _)| other == name);
        found.unwrap().1.as_str()
    };
    for (name, flags, mend) in [
        ("hixie-75/driver", &[][..], "--protocols default,hixie-75"),
        ("hybi-06/spec", &[], "--protocols default,hybi-06"),
        (
            "hixie-76/spec",
            &["--protocols", "modern"],
            "--protocols hybi-07,hybi-10,rfc6455,hixie-76",
        ),
        (
            "rfc6455/sample",
            &["--origin", "http://a.example"],
            "--origin http://example.com",
        ),
        ("flash-policy/plain", &[], "--flash-policy"),
    ] {
        let path = directory.join(name.replace('/', "-"));
        fs::write(&path, text(name)).unwrap();
        let path = path.to_str().unwrap();
        let run = |flags: &[&str]| POLYSOCK.run(&[&["explain", path], flags].concat(), Input::Open);
        let refused = run(flags);
        assert_eq!(refused.code, Some(1), "{name}: {}", refused.stderr);
        let line = refused.text().lines().nth(2).unwrap();
        assert_eq!(
            line,
            format!("  accepted with: polysock serve {mend}"),
            "{name}"
        );
        let accepted = run(&mend.split(' ').collect::<Vec<_>>());
        assert_eq!(accepted.code, Some(0), "{name}: {}", accepted.text());
    }
}

#[test]
fn reads_stdin_hex_and_captures_alike() {
    let head = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
                Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                Sec-WebSocket-Version: 13\r\n\r\n";
    let hex: String = head.bytes().map(|byte| format!("{byte:02x} ")).collect();
    let mut connection = Connection::open("127.0.0.1:50000", "127.0.0.1:80", [7, 9]);
    connection.say(From::Client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    connection.say(
        From::Server,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    );
    connection.say_in(From::Client, head.as_bytes(), 40);
    let capture = pcap(Link::Cooked, usize::MAX, &connection.packets);
    for bytes in [head.as_bytes(), hex.as_bytes(), &capture] {
        let run = POLYSOCK.run(&["explain", "-"], Input::Bytes(bytes));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let text = run.text();
        assert!(text.starts_with("stdin: "), "{text}");
        assert!(
            text.contains("GET /chat HTTP/1.1\n  accepted: rfc6455\n"),
            "{text}"
        );
        assert!(text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\\r\\n"));
    }
    assert!(
        POLYSOCK
            .run(&["explain", "-"], Input::Bytes(&capture))
            .text()
            .contains("127.0.0.1:50000 to")
    );
}

#[test]
fn shows_no_secret_of_a_request_or_its_answer() {
    let head = with(
        &HIXIE_76.replace("/demo", "/demo?token=s3cr3t&room=7"),
        "Sec-WebSocket-Protocol: bearer.s3cr3t\r\n",
    );
    let head = [head.as_bytes(), HIXIE_76_BODY].concat();
    for (flags, are_shown) in [(&[][..], false), (&["--keep-secrets"], true)] {
        for format in [&[][..], &["--json"]] {
            let arguments = [&["explain", "-"], flags, format].concat();
            let run = POLYSOCK.run(&arguments, Input::Bytes(&head));
            let text = run.text();
            assert_eq!(run.code, Some(0), "{text}");
            assert_eq!(text.contains("s3cr3t"), are_shown, "{text}");
            // Once in the request and once in the answer.
            assert_eq!(text.matches("token=xxxxxx&room=7").count() == 2, !are_shown);
        }
    }
}

#[test]
fn the_advised_origin_can_be_listed() {
    for (origin, flag) in [
        ("http://a.example:80/", "--origin http://a.example"),
        ("A.example", "--origin http://a.example"),
        ("null", "--origin null"),
        ("a b", "--origin '*'"),
    ] {
        let head = versioned("13", &format!("Origin: {origin}\r\n"));
        let arguments = ["explain", "-", "--origin", "http://b.example"];
        let run = POLYSOCK.run(&arguments, Input::Bytes(head.as_bytes()));
        let line = format!("\n  accepted with: polysock serve {flag}\n");
        assert!(run.text().contains(&line), "{}", run.text());
    }
}

#[test]
fn the_exit_status_distinguishes_refused_from_unreadable_input() {
    let noise = Connection::open("127.0.0.1:50000", "127.0.0.1:80", [7, 9]);
    let noise = pcap(Link::Raw, usize::MAX, &noise.packets);
    for (bytes, code, said) in [
        (
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            1,
            "which does not ask for a WebSocket (RFC 6455",
        ),
        (
            b"\x16\x03\x01\x00",
            1,
            "closed without an answer: TLS is not enabled",
        ),
        (
            b"PRI * HTTP/2.0\r\n",
            2,
            "not understood: only requests of HTTP/1 are explained",
        ),
        (
            b"SSH-2.0-x\r\n",
            2,
            "not understood: the bytes are neither HTTP nor TLS",
        ),
        (b"", 2, "not understood: there are no bytes"),
        (
            b"GET / HTTP/1.1\r\nUpgrade:",
            2,
            "the head is not complete: 24 bytes and no blank line",
        ),
        (&noise, 2, "no opening handshake in 1 TCP connections"),
        (b"\xd4\xc3\xb2\xa1\x02", 2, "the capture is empty"),
    ] {
        let run = POLYSOCK.run(&["explain", "-"], Input::Bytes(bytes));
        let all = format!("{}{}", run.text(), run.stderr);
        assert_eq!(run.code, Some(code), "{all}");
        assert!(all.contains(said), "{all}");
    }
    let run = POLYSOCK.run(&["explain", "/nonexistent"], Input::Open);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("/nonexistent"), "{}", run.stderr);
}

#[test]
fn json_has_the_members_of_its_schema() {
    let schema = include_str!("../../docs/explain.md");
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Version: 99\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\n\r\n";
    let run = POLYSOCK.run(&["explain", "--json", "-"], Input::Bytes(head));
    assert_eq!(run.code, Some(1));
    let json: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let one = &json[0];
    assert_eq!(one["source"], "stdin");
    let explained = one["explanation"].as_object().unwrap();
    let members = [
        one.as_object().unwrap(),
        explained,
        explained["protocols"][0].as_object().unwrap(),
    ];
    for name in members.iter().flat_map(|object| object.keys()) {
        assert!(
            schema.contains(&format!("\n| `{name}` |")),
            "{name} is not in docs/explain.md"
        );
    }
    assert_eq!(explained["verdict"], "refused");
    assert_eq!(explained["status"], 426);
    assert_eq!(explained["section"], "RFC 6455 §4.2.2, item 4");
    assert_eq!(explained["rules"].as_array().unwrap().len(), 6);
    assert_eq!(
        explained["protocols"][10]["why"],
        "its Sec-WebSocket-Version is a different one"
    );
    let answer = explained["answer"].as_str().unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 426 Upgrade Required\\r\\n"),
        "{answer}"
    );
}

#[test]
fn the_newest_refusal_of_a_directory_is_found() {
    let directory = POLYSOCK.directory("explain/last-refused");
    let path = directory.to_str().unwrap();
    let none = POLYSOCK.run(&["explain", "--last-refused", path], Input::Open);
    assert_eq!(none.code, Some(2));
    assert!(
        none.stderr.contains("no transcript of a refused handshake"),
        "{}",
        none.stderr
    );
    let wire = |target: &str, end: &str| {
        format!(
            "# client: x\n> POST {target} HTTP/1.1\\r\\n\n> Host: a\\r\\n\n> Upgrade: websocket\\r\\n\n> \\r\\n\n{end}\n"
        )
    };
    let refused = "! 405 \"the method of an opening handshake is GET\"";
    let time = |seconds| std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    for (name, text, seconds) in [
        ("old.wire", wire("/old", refused), 1000),
        ("new.wire", wire("/new", refused), 2000),
        ("accepted.wire", wire("/accepted", "< x"), 3000),
        ("half.wire", "# client: x\n> GE\\".to_owned(), 4000),
        ("other.txt", wire("/other", refused), 5000),
    ] {
        let file = directory.join(name);
        fs::write(&file, text).unwrap();
        let file = fs::File::options().append(true).open(file).unwrap();
        file.set_modified(time(seconds)).unwrap();
    }
    let run = POLYSOCK.run(&["explain", "--last-refused", path], Input::Open);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(
        run.text()
            .contains("new.wire: POST /new HTTP/1.1\n  refused with 405"),
        "{}",
        run.text()
    );
}

#[test]
fn empty_lines_before_a_request_are_ignored() {
    for head in [RFC6455, HIXIE_75] {
        let bare = POLYSOCK.run(&["explain", "-"], Input::Bytes(head.as_bytes()));
        let late = format!("\r\n\n{head}");
        let late = POLYSOCK.run(&["explain", "-"], Input::Bytes(late.as_bytes()));
        assert_eq!((late.code, late.text()), (bare.code, bare.text()));
    }
}

#[test]
fn an_option_accepts_a_longer_head() {
    let head = with(RFC6455, &format!("Cookie: {}\r\n", "x".repeat(20_000)));
    let run = |flags: &[&str]| {
        let arguments = [&["explain", "-"], flags].concat();
        POLYSOCK.run(&arguments, Input::Bytes(head.as_bytes()))
    };
    let refused = run(&[]);
    assert_eq!(refused.code, Some(1));
    let text = refused.text();
    assert!(
        text.contains("refused with 431") && text.contains("--max-head"),
        "{text}"
    );
    assert_eq!(run(&["--max-head", "32KiB"]).code, Some(0));
}
