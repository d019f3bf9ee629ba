//! Ordinary HTTP requests on the port, before and after opening handshakes.

use std::net::TcpListener;
use std::thread;

use polysock::protocols::find_protocol;
use polysock::{Accept, Fields};
use polysock_test_support::client::Client;
use polysock_test_support::frame::frame;
use polysock_test_support::opening::{HIXIE_75, RFC6455, assert_status, with};
use polysock_test_support::program::Input;
use polysock_test_support::wire_peer::WirePeer;

use crate::POLYSOCK;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Reads the body of an answer, by its `Content-Length`.
fn body(client: &mut Client, head: &str) -> String {
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let body = client.take(length.unwrap().parse().unwrap());
    String::from_utf8(body).unwrap()
}

#[test]
fn serves_the_page_of_the_chat_on_a_connection_that_stays() {
    let server = POLYSOCK.serve(&["--app", "chat"]);
    let (mut client, head) = server.answers(GET, 200);
    assert!(
        head.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"),
        "{head}"
    );
    let page = body(&mut client, &head);
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
    // One more request, and then two in one write.
    for requests in [1, 2] {
        client.send(GET.repeat(requests));
        for _ in 0..requests {
            let again = client.head();
            assert!(again.starts_with("HTTP/1.1 200 "), "{again}");
            assert!(body(&mut client, &again) == page);
        }
    }
    // HEAD announces the same length without a body, so the next bytes are the next answer.
    client.send(GET.replace("GET", "HEAD"));
    let length = format!("\r\nContent-Length: {}\r\n", page.len());
    assert!(client.head().contains(&length));
    client.send(GET.replace("GET / ", "GET /favicon.ico "));
    let missing = client.head();
    assert!(missing.starts_with("HTTP/1.1 404 "), "{missing}");
    assert_eq!(
        body(&mut client, &missing),
        "there is no page at this path\n"
    );
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    let refused = client.head();
    assert!(refused.starts_with("HTTP/1.1 405 "), "{refused}");
    assert!(refused.contains("\r\nAllow: GET, HEAD\r\n"), "{refused}");
    assert_eq!(body(&mut client, &refused), "only GET and HEAD\n");
    client.send(with(GET, "Connection: close\r\n"));
    let last = client.head();
    assert!(last.contains("\r\nConnection: close\r\n"), "{last}");
    assert!(client.rest() == page.as_bytes());
}

#[test]
fn broadcasts_to_all_clients_with_binary_as_configured() {
    let broadcast = ["--app", "broadcast", "--protocols", "all"];
    let server = POLYSOCK.serve(&[&broadcast[..], &["--binary-over-text", "base64"]].concat());
    let (mut old, _) = server.ask(HIXIE_75);
    let (mut new, _) = server.ask(RFC6455);
    // A client that has received its own message has joined.
    old.send(b"\0hi\xff");
    old.expect(b"\0hi\xff");
    new.send(frame(0x81, "ho"));
    old.expect(b"\0ho\xff");
    loop {
        // If it joined in time, it has received the other message too.
        let heard = new.take(4);
        if heard == b"\x81\x02ho" {
            break;
        }
        assert_eq!(heard, b"\x81\x02hi");
    }
    new.send(frame(0x82, [0xff; 3]));
    new.expect(b"\x82\x03\xff\xff\xff");
    old.expect(b"\0////\xff");
    let server = POLYSOCK.serve(&broadcast);
    let (mut old, _) = server.ask(HIXIE_75);
    old.send(b"\0hi\xff");
    old.expect(b"\0hi\xff");
    let (mut new, _) = server.ask(RFC6455);
    new.send(frame(0x82, [0xff; 3]));
    new.expect(b"\x82\x03\xff\xff\xff");
    assert_eq!(old.rest(), b"", "it is closed");
}

#[test]
fn takes_an_opening_handshake_after_ordinary_requests() {
    let server = POLYSOCK.serve(&["--app", "chat"]);
    let wanted = "GET /?name=NAME HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    // Requests one by one, and in one write. The first client may still be in the room when the
    // second joins.
    for (together, name) in [(false, "ann"), (true, "bob")] {
        let wanted = wanted.replace("NAME", name);
        let (mut client, head) = server.answers(GET, 200);
        body(&mut client, &head);
        let h2c = with(GET, "Connection: Upgrade\r\nUpgrade: h2c\r\n");
        if together {
            client.send(format!("{GET}{h2c}{wanted}"));
        }
        for request in [GET, &h2c] {
            if !together {
                client.send(request);
            }
            let head = client.head();
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            body(&mut client, &head);
        }
        if !together {
            client.send(&wanted);
        }
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"));
        assert!(head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        client.expect(b"\x81\x13");
        client.expect(format!("welcome\t{name}\trfc6455"));
    }
    let (mut client, head) = server.answers(GET, 200);
    body(&mut client, &head);
    client.send(wanted.replace(": 13", ": 9"));
    assert!(client.head().starts_with("HTTP/1.1 426 "));
}

#[test]
fn advises_to_upgrade_if_there_is_no_page() {
    let server = POLYSOCK.echo(&[]);
    for request in [GET, &GET.replace("GET / ", "GET /chat?a=b ")] {
        let (mut client, head) = server.answers(request, 426);
        for _ in 0..2 {
            assert!(head.contains("\r\nUpgrade: websocket\r\n"), "{head}");
            assert_eq!(body(&mut client, &head), "this port speaks WebSocket\n");
            client.send(request);
            assert!(client.head().starts_with("HTTP/1.1 426 "));
        }
    }
    server.answers(GET.replace("GET", "DELETE"), 405);
}

#[test]
fn answers_http_1_0_and_hangs_up() {
    let server = POLYSOCK.serve(&["--app", "chat"]);
    let mut client = server.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    assert!(answer.trim_end().ends_with("</html>"));
}

#[test]
fn refuses_heads_that_are_too_long_in_first_and_later_requests() {
    let server = POLYSOCK.serve(&["--app", "chat"]);
    let line = format!("X-Long: {}\r\n", "x".repeat(17 * 1024));
    let many: String = (0..101)
        .map(|number| format!("X-{number}: x\r\n"))
        .collect();
    let target = GET.replacen('/', &format!("/{}", "x".repeat(17 * 1024)), 1);
    for (request, status) in [
        (with(GET, &line), 431),
        (with(GET, &many), 431),
        (target, 414),
    ] {
        let (mut client, _) = server.answers(&request, status);
        client.gone();
        let (mut client, head) = server.answers(GET, 200);
        body(&mut client, &head);
        client.send(&request);
        assert_status(&client.head(), status);
    }
}

#[test]
fn the_maximum_length_of_a_head_is_configurable() {
    let cookie = |len| with(RFC6455, &format!("Cookie: {}\r\n", "x".repeat(len)));
    let target = |len| RFC6455.replacen("/chat", &format!("/?{}", "x".repeat(len)), 1);
    for (flags, least, most) in [
        (&[][..], 9_000, 16_500),
        (&["--max-head", "4KiB"], 3_000, 4_200),
        (&["--max-head", "64KiB"], 64_000, 66_000),
    ] {
        let server = POLYSOCK.echo(flags);
        server.answers(cookie(least), 101);
        server.answers(target(least), 101);
        server.answers(cookie(most), 431);
        server.answers(target(most), 414);
    }
    for size in ["1023", "257KiB", "none"] {
        let run = POLYSOCK.run(&["serve", "--max-head", size], Input::NOTHING);
        assert_eq!(run.code, Some(2), "{size}");
        assert!(run.stderr.contains("from 1KiB to 256KiB"), "{}", run.stderr);
    }
}

#[test]
fn an_upstreams_answer_may_be_as_long_as_a_request() {
    let rfc6455 = find_protocol("rfc6455").unwrap();
    for (len, flags, status) in [
        (9_000, &[][..], 101),
        (17_000, &[], 502),
        (17_000, &["--max-head", "32KiB"], 101),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let gateway = POLYSOCK.serve(&[flags, &[&url]].concat());
        thread::scope(|scope| {
            scope.spawn(|| {
                let accept = Accept {
                    fields: Fields::from([("Set-Cookie", "x".repeat(len))]),
                    ..Accept::default()
                };
                let stream = listener.accept().unwrap().0;
                // The peer ends when the gateway closes the connection.
                WirePeer::accept_with(rfc6455, stream, &accept)
            });
            gateway.answers(RFC6455, status);
        });
    }
}

#[test]
fn gives_up_a_head_that_does_not_end() {
    let server = POLYSOCK.serve(&["--app", "chat", "--handshake-timeout", "200ms"]);
    let (mut slow, head) = server.answers(&GET[..20], 408);
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
    slow.gone();
    let mut silent = server.connect();
    assert_eq!(silent.rest(), b"");
    // A later request times out too, but not before it has begun.
    let (mut kept, head) = server.answers(GET, 200);
    body(&mut kept, &head);
    kept.send(&GET[..20]);
    assert_status(&kept.head(), 408);
    kept.gone();
}

#[test]
fn refuses_ambiguous_heads_in_every_request() {
    let server = POLYSOCK.serve(&["--app", "chat"]);
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        server.answers(request, 400).0.gone();
        let (mut client, head) = server.answers(GET, 200);
        body(&mut client, &head);
        client.send(request);
        assert_status(&client.head(), 400);
        client.gone();
    }
}

#[test]
fn ignores_empty_lines_before_any_request() {
    let server = POLYSOCK.serve(&["--app", "chat"]);
    for lines in ["\r\n", "\n", "\r\n\r\n\n"] {
        server.answers(format!("{lines}{RFC6455}"), 101);
        let (mut client, head) = server.answers(format!("{lines}{GET}"), 200);
        body(&mut client, &head);
        // The lines arrive byte by byte, followed by the handshake.
        client.send_bytewise(lines);
        client.send(RFC6455);
        assert_status(&client.head(), 101);
        let mut slow = server.connect();
        slow.send_bytewise(format!("{lines}{RFC6455}"));
        assert_status(&slow.head(), 101);
    }
}

#[test]
fn closes_connections_that_are_no_http_without_an_answer() {
    let server = POLYSOCK.echo(&[]);
    for words in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"get / http/1.1\r\n\r\n",
        b"\0",
    ] {
        let mut client = server.connect();
        client.send(words);
        assert_eq!(client.rest(), b"", "to {}", words.escape_ascii());
    }
}

#[test]
fn ignores_an_upgrade_to_h2c() {
    let server = POLYSOCK.serve(&["--app", "chat"]);
    let fields = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n";
    let (mut client, head) = server.answers(with(GET, fields), 200);
    body(&mut client, &head);
}
