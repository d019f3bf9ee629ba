//! The command line: what is printed and logged, exit codes, limits and ordinary HTTP.

use std::net::{SocketAddr, TcpListener};
use std::thread;

use polysock::protocols::PROTOCOLS;
use polysock::{Accept, BoxError, Close, CloseCode, Gateway, Handshake};
use polysock_test_support::client::Client;
use polysock_test_support::frame::frame;
use polysock_test_support::opening::{
    HIXIE_75, HIXIE_76, HIXIE_76_BODY, HIXIE_76_DIGEST, RFC6455, versioned, with,
};
use polysock_test_support::program::Input;
use polysock_test_support::server::Server;
use polysock_test_support::{PATIENCE, gateway};
use serde_json::Value;

use crate::POLYSOCK;

// polysock protocols

#[test]
fn lists_the_protocols() {
    let run = POLYSOCK.run(&["protocols"], Input::NOTHING);
    assert_eq!(run.text(), include_str!("protocols.txt"));
    assert_eq!(run.stderr, "");
    assert_eq!(run.code, Some(0));
}

// Wrong usage

#[test]
fn names_the_cause_of_wrong_usage_and_the_mend() {
    for (arguments, parts) in [
        (
            &["serve", "--protocols", "hixie-76,hixie77"][..],
            &[
                "`hixie77` is no protocol",
                "`polysock protocols` lists them",
            ][..],
        ),
        (
            &["serve", "--max-message", "1T"],
            &["'1T' for '--max-message", "with KiB, MiB or GiB, or `none`"],
        ),
        (
            &["serve", "--max-message", "MiB"],
            &["'MiB' for '--max-message", "there is no number"],
        ),
        (
            &["serve", "--close-timeout", "10"],
            &["'10' for '--close-timeout", "ms, s, m or h, as 10s"],
        ),
        (
            &["serve", "--close-timeout", "soon"],
            &["'soon' for '--close-timeout", "ms, s, m or h, as 10s"],
        ),
        (
            &["serve", "--ping-interval", "0s"],
            &["'0s' for '--ping-interval", "write `none` for no limit"],
        ),
        (
            &["serve", "--subprotocol", "v1,v 2"],
            &[
                "'v 2' for '--subprotocol",
                "write a token, of letters, digits",
            ],
        ),
        (
            &["serve", "--subprotocol", "v1,"],
            &["'--subprotocol", "write a token, of letters, digits"],
        ),
        (
            &["serve", "--app", "echo", "tcp://127.0.0.1:1"],
            &["'--app <APP>' cannot be used with '[UPSTREAM]'"],
        ),
        (
            &["serve", "--app", "shout"],
            &["'shout' for '--app", "echo, chat"],
        ),
        (
            &["serve", "http://127.0.0.1/"],
            &[
                "`http://127.0.0.1/` is no upstream",
                "tcp://HOST:PORT, unix:PATH",
            ],
        ),
        (
            &["serve", "tcp://localhost"],
            &[
                "`tcp://localhost`",
                "the port is missing: write tcp://HOST:PORT",
            ],
        ),
        (
            &["serve", "tcp://localhost:http"],
            &["`tcp://localhost:http`", "not a number up to 65535"],
        ),
        (
            &["serve", "unix:"],
            &["the path is missing: write unix:PATH"],
        ),
        (
            &["serve", "ws://:80/"],
            &[
                "`ws://:80/`",
                "the host is missing: write ws://HOST:PORT/PATH",
            ],
        ),
        (
            &["serve", "ws+hixie-77://localhost"],
            &[
                "`hixie-77` is no protocol",
                "`polysock protocols` lists them",
            ],
        ),
        (
            &["serve", "--listen", "host.invalid:80"],
            &["'host.invalid:80' for '--listen", "the host is unknown"],
        ),
        (
            &["serve", "--listen", "8080"],
            &["the port is missing: write HOST:PORT, as 127.0.0.1:8080"],
        ),
        (
            &["serve", "--listen", "127.0.0.1:http"],
            &["the port is not a number up to 65535"],
        ),
        (
            &["connect", "http://127.0.0.1/"],
            &[
                "`http://127.0.0.1/` is no WebSocket URL",
                "ws://HOST:PORT/PATH",
            ],
        ),
        (
            &["connect", "ws+hixie77://127.0.0.1"],
            &[
                "`hixie77` is no protocol",
                "`polysock protocols` lists them",
            ],
        ),
        (
            &["connect", "--protocol", "hixie76", "ws://127.0.0.1"],
            &["no such protocol", "`polysock protocols` lists them"],
        ),
    ] {
        let run = POLYSOCK.run(arguments, Input::NOTHING);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.text(), "", "{arguments:?}");
        for part in parts {
            assert!(run.stderr.contains(part), "no `{part}` in\n{}", run.stderr);
        }
    }
}

#[test]
fn says_that_a_port_is_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = POLYSOCK.run(&["serve", "--listen", &address], Input::NOTHING);
    assert_eq!(run.code, Some(1));
    let part = format!("cannot listen on {address}: Address already in use");
    assert!(run.stderr.contains(&part), "{}", run.stderr);
    assert!(
        run.stderr.contains("choose another --listen"),
        "{}",
        run.stderr
    );
}

#[test]
fn says_that_a_port_is_in_use_by_another_polysock() {
    let server = POLYSOCK.echo(&[]);
    let address = server.address.to_string();
    let run = POLYSOCK.run(&["serve", "--listen", &address], Input::NOTHING);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("Address already in use"),
        "{}",
        run.stderr
    );
}

// polysock connect

#[test]
fn talks_to_an_echo_in_every_protocol() {
    let server = POLYSOCK.echo(&[]);
    for protocol in PROTOCOLS {
        let name = protocol.name();
        let plain = format!("ws://{}/chat", server.address);
        let named = format!("ws+{}://{}/chat", name.replace('-', ""), server.address);
        for arguments in [
            &["connect", "--protocol", name, &plain][..],
            &["connect", &named],
        ] {
            let run = POLYSOCK.run(arguments, Input::Bytes("hello\n\ngrüße\n".as_bytes()));
            assert_eq!(run.text(), "hello\n\ngrüße\n", "{arguments:?}");
            assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.stderr);
        }
    }
}

#[test]
fn speaks_the_protocol_it_was_told_to() {
    let mut server = POLYSOCK.echo(&[]);
    for protocol in PROTOCOLS {
        let url = format!("ws://{}/where", server.address);
        let run = POLYSOCK.run(
            &["connect", "--protocol", protocol.name(), &url],
            Input::NOTHING,
        );
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let line = server.log_line(" open ");
        let part = format!("protocol=\"{}\"", protocol.name());
        assert!(line.contains(&part), "{line}");
        assert!(line.contains("target=\"/where\""), "{line}");
    }
}

#[test]
fn carries_bytes_in_rfc6455() {
    let server = POLYSOCK.echo(&[]);
    let url = format!("ws://{}/", server.address);
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let run = POLYSOCK.run(&["connect", "--binary", &url], Input::Bytes(&bytes));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout == bytes, "{} bytes came back", run.stdout.len());
}

#[test]
fn says_that_a_line_is_no_text() {
    let server = POLYSOCK.echo(&[]);
    let url = format!("ws://{}/", server.address);
    let run = POLYSOCK.run(&["connect", &url], Input::Bytes(b"a\n\xff\nb\n"));
    assert_eq!(run.code, Some(4));
    assert!(run.stderr.contains("utf-8"), "{}", run.stderr);
}

#[test]
fn says_that_bytes_cannot_be_sent_in_hixie_76() {
    let server = POLYSOCK.echo(&[]);
    let url = format!("ws+hixie76://{}/", server.address);
    let run = POLYSOCK.run(&["connect", "--binary", &url], Input::Bytes(b"\0"));
    assert_eq!(run.code, Some(4));
    let part = "a binary message cannot be sent over hixie-76";
    assert!(run.stderr.contains(part), "{}", run.stderr);
}

#[test]
fn names_the_origin_it_was_told_to() {
    let mut server = POLYSOCK.echo(&["--origin", "http://page.example"]);
    let url = format!("ws://{}/", server.address);
    let arguments = ["connect", "--origin", "http://page.example", &url];
    let run = POLYSOCK.run(&arguments, Input::Bytes(b"hello\n"));
    assert_eq!((run.text(), run.code), ("hello\n", Some(0)));
    let line = server.log_line(" open ");
    assert!(line.contains("origin=\"http://page.example\""), "{line}");
}

#[test]
fn exits_with_3_where_it_is_refused() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("ws://{}/", free.local_addr().unwrap());
    drop(free);
    let run = POLYSOCK.run(&["connect", &nobody], Input::NOTHING);
    assert_eq!(run.code, Some(3));
    assert!(run.stderr.contains("Connection refused"), "{}", run.stderr);

    let server = POLYSOCK.echo(&["--origin", "http://page.example"]);
    let url = format!("ws://{}/", server.address);
    let run = POLYSOCK.run(&["connect", &url], Input::NOTHING);
    assert_eq!(run.code, Some(3));
    assert!(run.stderr.contains("status 403"), "{}", run.stderr);

    let server = POLYSOCK.serve(&["--app", "echo", "--protocols", "rfc6455"]);
    let url = format!("ws+hybi10://{}/", server.address);
    let run = POLYSOCK.run(&["connect", &url], Input::NOTHING);
    assert_eq!(run.code, Some(3));
    assert!(run.stderr.contains("status 426"), "{}", run.stderr);
}

#[test]
fn exits_as_the_server_closes() {
    for (protocol, code, exit) in [
        ("rfc6455", 1000, 0),
        ("rfc6455", 1001, 0),
        ("rfc6455", 1011, 4),
        ("rfc6455", 4000, 4),
        ("hybi-10", 4000, 4),
        // There is no code on the wire: it was a regular end.
        ("hixie-75", 4000, 0),
        ("hixie-76", 4000, 0),
    ] {
        let url = format!("ws://{}/", closing_server(code, "enough"));
        let run = POLYSOCK.run(&["connect", "--protocol", protocol, &url], Input::Open);
        assert_eq!(run.code, Some(exit), "{protocol} {code}: {}", run.stderr);
        if exit == 4 {
            let part = format!("closed with {code} enough");
            assert!(run.stderr.contains(&part), "{}", run.stderr);
        }
    }
}

#[test]
fn a_servers_reason_does_not_steer_the_terminal() {
    let url = format!(
        "ws://{}/",
        closing_server(4000, "\x1b[2J\u{9b}2J\u{202e}\r\n*")
    );
    let run = POLYSOCK.run(&["connect", &url], Input::Open);
    let part = r"closed with 4000 \u{1b}[2J\u{9b}2J\u{202e}\r\n*";
    assert!(run.stderr.contains(part), "{:?}", run.stderr);
}

/// A server in this process that closes whatever is opened with this code and reason.
fn closing_server(code: u16, reason: &'static str) -> SocketAddr {
    let close = Close::new(CloseCode::new(code).unwrap(), reason);
    let application = move |handshake: Handshake| {
        let close = close.clone();
        async move {
            let connection = handshake.accept(Accept::default()).await?;
            Ok::<(), BoxError>(connection.close(Some(close)).await?)
        }
    };
    let settings = polysock::Settings {
        protocols: PROTOCOLS.to_vec(),
        ..polysock::Settings::default()
    };
    let gateway = Gateway::with_settings(application, settings, polysock::Pages::default());
    gateway::serve(gateway)
}

#[test]
fn exits_with_4_where_the_server_dies() {
    let mut server = POLYSOCK.echo(&[]);
    let url = format!("ws://{}/", server.address);
    let client = thread::spawn(move || POLYSOCK.run(&["connect", &url], Input::Open));
    server.log_line(" open ");
    drop(server);
    let run = client.join().unwrap();
    assert_eq!(run.code, Some(4), "{}", run.stderr);
}

// polysock serve: what is logged

#[test]
fn warns_of_each_unmasked_protocol_on_a_public_address() {
    let warned = |listen: &str, arguments: &[&str]| -> Vec<String> {
        let log = POLYSOCK.serve_on(listen, arguments).stop();
        let lines = log.lines().filter_map(|line| line.split_once(" WARN "));
        let warned = lines.map(|(_, warning)| {
            let (name, rest) = warning.split_once(" is served on 0.0.0.0:").unwrap();
            assert!(rest.contains("list the pages with --origin"), "{warning}");
            name.to_owned()
        });
        warned.collect()
    };
    let all = ["--app", "echo", "--protocols", "all"];
    let unmasked = ["hixie-75", "hixie-76", "hybi-01", "hybi-02", "hybi-03"];
    assert_eq!(warned("0.0.0.0:0", &all), unmasked);
    assert_eq!(warned("0.0.0.0:0", &["--app", "echo"]), ["hixie-76"]);
    let nobody: [&str; 0] = [];
    assert_eq!(warned("0.0.0.0:0", &["--protocols", "modern"]), nobody);
    assert_eq!(warned("127.0.0.1:0", &all), nobody);
    for origin in ["http://page.example", "*"] {
        let listed = [&all[..], &["--origin", origin]].concat();
        assert_eq!(warned("0.0.0.0:0", &listed), nobody);
    }
}

/// The lines of a log in JSON.
#[track_caller]
fn json(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// A server that logs in JSON.
fn json_server() -> Server {
    POLYSOCK.echo(&["--log-format", "json"])
}

#[test]
fn writes_a_line_at_open_and_one_at_close() {
    let mut server = json_server();
    // What can be in a field at all must not break the line.
    let agent = "Kiosk \"2011\" \\ ü";
    let request = with(
        RFC6455,
        &format!("User-Agent: {agent}\r\nOrigin: http://a\r\n"),
    );
    let (mut client, _) = server.ask(request);
    client.send(frame(0x81, "Hello"));
    client.expect(b"\x81\x05Hello");
    client.send(frame(0x88, b"\x0f\xa0enough"));
    client.expect(b"\x88\x02\x0f\xa0");
    assert_eq!(client.rest(), b"");
    let lines = json(&server.stop());
    let of = |message| lines.iter().filter(move |line| line["message"] == message);
    let (open, close) = (
        of("open").collect::<Vec<_>>(),
        of("close").collect::<Vec<_>>(),
    );
    let ([open], [close]) = (&open[..], &close[..]) else {
        panic!("{lines:#?}");
    };
    for line in [open, close] {
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["protocol"], "rfc6455");
        assert_eq!(line["peer"], client.address().to_string());
        assert_eq!(line["user_agent"], agent);
    }
    assert_eq!(open["target"], "/chat");
    assert_eq!(open["origin"], "http://a");
    assert_eq!(close["received"], 11 + 14);
    assert_eq!(close["sent"], 7 + 4);
    assert_eq!(close["code"], 4000);
    assert_eq!(close["reason"], "enough");
    assert_eq!(close["by"], "client");
    assert!(close["seconds"].as_f64().unwrap() < PATIENCE.as_secs_f64());
}

#[test]
fn writes_the_code_that_a_close_amounts_to() {
    let mut server = json_server();
    let mut code = |request: &[u8], words: &[u8]| {
        let (mut client, _) = server.ask(request);
        client.send(words);
        client.finish();
        client.gone();
        let line = server.log_line("\"close\"");
        json(&line)[0]["code"].as_u64().unwrap()
    };
    let rfc6455 = RFC6455.as_bytes();
    let hixie_76 = [HIXIE_76.as_bytes(), HIXIE_76_BODY].concat();
    assert_eq!(code(rfc6455, &frame(0x88, b"\x03\xe8")), 1000);
    assert_eq!(code(rfc6455, &frame(0x88, b"")), 1005);
    assert_eq!(code(rfc6455, b""), 1006);
    assert_eq!(code(rfc6455, b"\x81\x05Hello"), 1002);
    assert_eq!(code(&hixie_76, b"\xff\0"), 1005);
    assert_eq!(code(&hixie_76, b""), 1006);
}

#[test]
fn writes_a_line_for_what_it_refuses() {
    let mut server = POLYSOCK.echo(&["--origin", "http://a", "--log-format", "json"]);
    let (_, head) = server.ask(with(RFC6455, "Origin: http://b\r\n"));
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    let line = json(&server.log_line("\"reject\"")).remove(0);
    assert_eq!(
        (&line["status"], &line["origin"]),
        (&403.into(), &"http://b".into())
    );
    let (_, head) = server.ask(versioned("9", ""));
    assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
    let line = json(&server.log_line("\"refuse\"")).remove(0);
    assert_eq!(line["status"], 426);
}

// polysock serve: what is let in

#[test]
fn lets_in_the_listed_origins_and_none_where_listed() {
    let one = POLYSOCK.echo(&["--origin", "http://a.example"]);
    let two = POLYSOCK.echo(&["--origin", "http://a.example", "--origin", "none"]);
    let any = POLYSOCK.echo(&["--origin", "*"]);
    let all = POLYSOCK.echo(&[]);
    for (origin, expected) in [
        (Some("http://a.example"), [101, 101, 101, 101]),
        (Some("HTTP://A.example"), [101, 101, 101, 101]),
        (Some("http://b.example"), [403, 403, 101, 101]),
        (Some("http://a.example.evil"), [403, 403, 101, 101]),
        (Some("https://a.example"), [403, 403, 101, 101]),
        (Some("null"), [403, 403, 101, 101]),
        (None, [403, 101, 101, 101]),
    ] {
        let field = origin.map_or_else(String::new, |origin| format!("Origin: {origin}\r\n"));
        let rfc6455 = with(RFC6455, &field);
        let hixie_76 = HIXIE_76.replace("Origin: http://example.com\r\n", &field);
        let hixie_76 = [hixie_76.as_bytes(), HIXIE_76_BODY].concat();
        for (server, status) in [&one, &two, &any, &all].into_iter().zip(expected) {
            server.answers(&rfc6455, status);
            server.answers(&hixie_76, status);
        }
    }
}

#[test]
fn closes_on_a_message_over_the_limit() {
    let server = POLYSOCK.echo(&["--max-message", "1KiB"]);
    let (fits, over) = (vec![b'x'; 1024], vec![b'x'; 1025]);
    let halves = [frame(0x01, &fits[..600]), frame(0x80, &fits[..600])].concat();
    // Only announced: nobody waits for all of it.
    let announced = [b"\x81\xff\0\0\x01\0\0\0\0\0\0\0\0\0", &over[..]].concat();
    for (version, code) in [("13", 1009u16), ("8", 1004), ("7", 1004)] {
        for message in [&frame(0x81, &over), &halves, &announced] {
            let (mut client, _) = server.answers(versioned(version, ""), 101);
            client.send(frame(0x81, &fits));
            client.expect(b"\x81\x7e\x04\x00");
            client.expect(&fits);
            client.send(message);
            let close = client.rest();
            assert_eq!(close[0], 0x88);
            assert_eq!(close[2..4], code.to_be_bytes(), "version {version}");
        }
    }
    let (mut client, _) = server.answers([HIXIE_76.as_bytes(), HIXIE_76_BODY].concat(), 101);
    client.expect(HIXIE_76_DIGEST);
    let fits = [b"\0", &fits[..], b"\xff"].concat();
    client.send(&fits);
    client.expect(&fits);
    client.send([b"\0", &over[..]].concat());
    assert_eq!(client.rest(), b"\xff\0");
}

#[test]
fn closes_on_a_frame_over_the_limit_and_on_a_fragment_too_many() {
    let server = POLYSOCK.echo(&["--max-frame", "10", "--max-fragments", "3"]);
    let first = || frame(0x01, "0123456789");
    let next = |last: u8| frame(last, "0123456789");
    let (mut client, _) = server.answers(RFC6455, 101);
    client.send([first(), next(0), next(0x80)].concat());
    client.expect([b"\x81\x1e", "0123456789".repeat(3).as_bytes()].concat());
    client.send(frame(0x81, "0123456789a"));
    let close = client.rest();
    assert_eq!(close[2..4], 1009u16.to_be_bytes());
    let (mut client, _) = server.answers(RFC6455, 101);
    client.send([first(), next(0), next(0), next(0x80)].concat());
    let close = client.rest();
    assert_eq!(close[2..4], 1008u16.to_be_bytes());
}

// polysock serve: ordinary HTTP

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// The body of an answer, as long as its head says.
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
    // Again, and two at once.
    for requests in [1, 2] {
        client.send(GET.repeat(requests));
        for _ in 0..requests {
            let again = client.head();
            assert!(again.starts_with("HTTP/1.1 200 "), "{again}");
            assert!(body(&mut client, &again) == page);
        }
    }
    // HEAD announces the same and sends none of it, so what follows is the next answer.
    client.send(GET.replace("GET", "HEAD"));
    let length = format!("\r\nContent-Length: {}\r\n", page.len());
    assert!(client.head().contains(&length));
    client.send(GET.replace("GET / ", "GET /favicon.ico "));
    let missing = client.head();
    assert!(missing.starts_with("HTTP/1.1 404 "), "{missing}");
    assert_eq!(body(&mut client, &missing), "there is a page at / only\n");
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
fn broadcasts_to_everybody_with_binary_as_it_was_asked_for() {
    let broadcast = ["--app", "broadcast", "--protocols", "all"];
    let server = POLYSOCK.serve(&[&broadcast[..], &["--binary-over-text", "base64"]].concat());
    let (mut old, _) = server.ask(HIXIE_75);
    let (mut new, _) = server.ask(RFC6455);
    // Who has heard itself is there.
    old.send(b"\0hi\xff");
    old.expect(b"\0hi\xff");
    new.send(frame(0x81, "ho"));
    old.expect(b"\0ho\xff");
    loop {
        // Where it joined in time, it has heard the other too.
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
fn takes_an_opening_handshake_behind_ordinary_requests() {
    let server = POLYSOCK.serve(&["--app", "chat"]);
    let wanted = "GET /?name=NAME HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    // One by one, and in one write; the first may still be in the room when the second comes.
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
fn advises_to_upgrade_where_there_is_no_page() {
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
fn refuses_heads_that_are_too_long_in_the_first_request_and_in_those_behind_it() {
    let server = POLYSOCK.serve(&["--app", "chat"]);
    let line = format!("X-Long: {}\r\n", "x".repeat(17 * 1024));
    let many: String = (0..101)
        .map(|number| format!("X-{number}: x\r\n"))
        .collect();
    for (fields, statuses) in [(line, [431, 200]), (many, [431, 431])] {
        let request = with(GET, &fields);
        let (mut client, _) = server.answers(&request, statuses[0]);
        client.gone();
        let (mut client, head) = server.answers(GET, 200);
        body(&mut client, &head);
        client.send(&request);
        let head = client.head();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {} ", statuses[1])),
            "{head}"
        );
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
}

#[test]
fn says_nothing_to_what_is_no_http() {
    let server = POLYSOCK.echo(&[]);
    for words in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"get / http/1.1\r\n\r\n",
        b"\0",
    ] {
        let mut client = server.connect();
        client.send(words);
        client.gone();
    }
}

#[test]
fn ignores_an_upgrade_to_h2c() {
    let server = POLYSOCK.serve(&["--app", "chat"]);
    let fields = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n";
    let (mut client, head) = server.answers(with(GET, fields), 200);
    body(&mut client, &head);
}
