//! The effect of a URL and of flags on requests: of `connect`, of `bench`, and of a gateway.

use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use polysock::protocols::PROTOCOLS;
use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::opening::{RFC6455, field, with};
use polysock_test_support::program::Input;

use crate::POLYSOCK;

/// Starts a server that sends this answer to all clients. Returns its `HOST:PORT` and the received
/// heads.
fn server(answer: &'static str) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (heads, received) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut client = Client::over(stream.unwrap());
            let head = client.head();
            client.send(answer);
            if heads.send(head).is_err() {
                break;
            }
        }
    });
    (address, received)
}

const REFUSAL: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";

#[test]
fn the_path_query_and_credentials_of_a_url_are_requested() {
    let (address, heads) = server(REFUSAL);
    for (url, line, authorization) in [
        ("ws://{}", "GET / HTTP/1.1", None),
        ("WS://{}/a?b=c", "GET /a?b=c HTTP/1.1", None),
        ("Ws+RFC6455://{}?b", "GET /?b HTTP/1.1", None),
        // RFC 7617 §2: the credentials are decoded first.
        (
            "ws://Aladdin:open%20sesame@{}/",
            "GET / HTTP/1.1",
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ),
        ("ws://me@{}/a@b", "GET /a@b HTTP/1.1", Some("Basic bWU6")),
        (
            "ws://{}/gr\u{fc}\u{df}e?\u{fc}=%2F",
            "GET /gr%C3%BC%C3%9Fe?%C3%BC=%2F HTTP/1.1",
            None,
        ),
    ] {
        let url = url.replace("{}", &address);
        let run = POLYSOCK.run(&["connect", &url], Input::NOTHING);
        assert_eq!(run.code, Some(3), "{url}: {}", run.stderr);
        let head = heads.recv_timeout(PATIENCE).unwrap();
        assert_eq!(head.lines().next(), Some(line), "{url}");
        assert_eq!(field(&head, "Host"), Some(&*address), "{url}");
        assert_eq!(field(&head, "Authorization"), authorization, "{url}");
    }
}

#[test]
fn an_invalid_url_is_wrong_usage() {
    for (url, problem) in [
        ("ws://127.0.0.1:9/a b", "must not contain blanks"),
        (
            "ws://127.0.0.1:9/\r\nX-Injected: 1",
            "must not contain blanks",
        ),
        ("ws://127.0.0.1:9/a\tb", "control characters"),
        ("ws://127.0.0.1:9/\u{7f}", "control characters"),
        ("ws://127.0.0.1:9\\a", "backslashes"),
        ("ws://127.0.0.1:9/a?b#frag", "must not have a fragment"),
        ("ws://[::1", "not an IPv6 address"),
        ("ws://[::1:9/", "not an IPv6 address"),
        ("ws://::1]:9/", "the host is missing"),
        ("ws://127.0.0.1:70000/", "not a number up to 65535"),
        ("ws://127.0.0.1:0/", "the port must not be 0"),
        ("ws:///chat", "the host is missing"),
        ("ws://me:secret@/chat", "the host is missing"),
        ("ws://me%3A:secret@127.0.0.1:9/", "must not contain a colon"),
        ("ws://me:se/cret@127.0.0.1:9/", "`ws://***@127.0.0.1:9/`"),
        ("WSS:///chat", "the host is missing"),
        (
            "wss+hixie76://a..b/",
            "the host is not valid in a certificate",
        ),
        ("me:secret@127.0.0.1:9", "`***@127.0.0.1:9`"),
    ] {
        for command in [
            &["connect"][..],
            &["bench"],
            &["serve"],
            &["capture", "--out", "/nonexistent/x"],
        ] {
            let run = POLYSOCK.run(&[command, &[url]].concat(), Input::NOTHING);
            assert_eq!(run.code, Some(2), "{command:?} {url}: {}", run.stderr);
            assert!(run.stderr.contains(problem), "{url}: {}", run.stderr);
            assert!(!run.stderr.contains("cret"), "{}", run.stderr);
        }
    }
    for (url, problem) in [
        ("tcp://me:secret@127.0.0.1:9", "no user, path or query"),
        ("tcp://127.0.0.1:9/a", "no user, path or query"),
        ("tcp://127.0.0.1:9#a", "must not have a fragment"),
        ("tcp://[::1", "not an IPv6 address"),
        ("tcp://[::1]", "the port is missing"),
        ("tls://a.example", "the port is missing"),
        ("tls://a.example:1/a", "no user, path or query"),
    ] {
        let run = POLYSOCK.run(&["serve", url], Input::NOTHING);
        assert_eq!(run.code, Some(2), "{url}: {}", run.stderr);
        assert!(run.stderr.contains(problem), "{url}: {}", run.stderr);
        assert!(!run.stderr.contains("secret"), "{}", run.stderr);
    }
    for server in [
        "me:secret@127.0.0.1:9",
        "[::1:9",
        "127.0.0.1",
        "127.0.0.1:9/a",
        "a b:9",
    ] {
        for command in [
            &["capture", "--out", "/nonexistent/x", "--pass-through"][..],
            &["replay", "/nonexistent/x", "--to"],
        ] {
            let run = POLYSOCK.run(&[command, &[server]].concat(), Input::NOTHING);
            assert_eq!(run.code, Some(2), "{command:?} {server}: {}", run.stderr);
            assert!(run.stderr.contains("write HOST:PORT"), "{}", run.stderr);
        }
    }
    let long = format!("unix:/{}", "a".repeat(200));
    let run = POLYSOCK.run(&["serve", &long], Input::NOTHING);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
}

#[test]
fn a_gateway_names_the_user_of_its_url_and_not_the_clients() {
    let (address, heads) = server(REFUSAL);
    for (user, authorization) in [("me:pw@", "Basic bWU6cHc="), ("", "Bearer of-the-client")] {
        let gateway = POLYSOCK.serve(&[&format!("WS://{user}{address}/")]);
        let request = with(RFC6455, "Authorization: Bearer of-the-client\r\n");
        gateway.ask(request);
        let head = heads.recv_timeout(PATIENCE).unwrap();
        assert_eq!(field(&head, "Host"), Some(&*address));
        assert_eq!(field(&head, "Authorization"), Some(authorization), "{head}");
        assert_eq!(head.matches("uthorization:").count(), 1, "{head}");
    }
    let gateway = POLYSOCK.serve(&[&format!("TCP://{address}")]);
    gateway.websocket();
}

#[test]
fn custom_fields_are_sent_in_every_protocol() {
    let (address, heads) = server(REFUSAL);
    for protocol in PROTOCOLS {
        for command in [&["connect"][..], &["bench", "--connections", "1"]] {
            let url = format!("ws://{address}/");
            let flags = [
                "--protocol",
                protocol.name(),
                "-H",
                "Authorization: Bearer s3cr3t",
                "--header",
                "X-Room:7",
                "-H",
                "X-Room: 8",
                "--origin",
                "http://page.example",
                &url,
            ];
            let run = POLYSOCK.run(&[command, &flags[..]].concat(), Input::NOTHING);
            assert_eq!(run.code, Some(3), "{}", run.stderr);
            assert!(run.stderr.contains("status 403"), "{}", run.stderr);
            let head = heads.recv_timeout(PATIENCE).unwrap();
            assert_eq!(
                field(&head, "Authorization"),
                Some("Bearer s3cr3t"),
                "{head}"
            );
            assert!(head.contains("\r\nX-Room: 7\r\nX-Room: 8\r\n"), "{head}");
            assert!(head.contains("rigin: http://page.example\r\n"), "{head}");
        }
    }
    // A field flag overrides the URL.
    let url = format!("ws://me:pw@{address}/");
    POLYSOCK.run(
        &["connect", "-H", "authorization: mine", &url],
        Input::NOTHING,
    );
    let head = heads.recv_timeout(PATIENCE).unwrap();
    assert_eq!(field(&head, "authorization"), Some("mine"), "{head}");
    assert!(!head.contains("Basic"), "{head}");
}

#[test]
fn fields_of_the_opening_handshake_are_wrong_usage() {
    for (flag, value, problem) in [
        ("-H", "Host: b", "set by the opening handshake"),
        ("-H", "sec-websocket-key: x", "set by the opening handshake"),
        ("-H", "Connection: close", "set by the opening handshake"),
        ("-H", "Content-Length: 1", "set by the opening handshake"),
        ("-H", "Origin: http://a", "use --origin"),
        ("-H", "Sec-WebSocket-Protocol: a", "use --subprotocol"),
        ("-H", "X-Room", "write NAME:VALUE"),
        ("-H", "X Room: 7", "a field name consists"),
        ("-H", ": 7", "a field name consists"),
        (
            "-H",
            "X-Room: 7\r\nX-Injected: 1",
            "must not contain line ends",
        ),
        (
            "--origin",
            "http://a\r\nX-Injected: 1",
            "must not contain line ends",
        ),
        ("--subprotocol", "a\r\nX-Injected: 1", "write a token"),
    ] {
        for command in ["connect", "bench"] {
            let run = POLYSOCK.run(&[command, flag, value, "ws://127.0.0.1:9"], Input::NOTHING);
            assert_eq!(run.code, Some(2), "{value}: {}", run.stderr);
            assert!(run.stderr.contains(problem), "{value}: {}", run.stderr);
        }
    }
}

#[test]
fn a_redirection_is_reported_with_its_location() {
    let (address, _heads) = server(
        "HTTP/1.1 301 Moved Permanently\r\nLocation: https://a.example/chat?token=s3cr3t&b=c\r\n\
         Content-Length: 0\r\n\r\n",
    );
    let url = format!("ws://{address}/");
    for command in ["connect", "bench"] {
        let run = POLYSOCK.run(&[command, &url], Input::NOTHING);
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        let part = "status 301, Location: https://a.example/chat?token=***&b=";
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
}
