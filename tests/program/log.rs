//! The log of `polysock serve`.

use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::frame::frame;
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY, RFC6455, versioned, with};
use polysock_test_support::server::Server;
use serde_json::Value;

use crate::POLYSOCK;

#[test]
fn warns_of_protocols_without_masks_where_others_may_connect() {
    let warned = |listen: &str, arguments: &[&str]| -> Vec<String> {
        let arguments = [arguments, &["--origin", "*"]].concat();
        let log = POLYSOCK.serve_on(listen, &arguments).stop();
        let lines = log.lines().filter_map(|line| line.split_once(" WARN "));
        lines.map(|(_, warning)| warning.to_owned()).collect()
    };
    let all = ["--app", "echo", "--protocols", "all"];
    let unmasked = "clients of hixie-75, hixie-76, hybi-01, hybi-02, hybi-03 do not mask";
    for (listen, arguments, beginning, then) in [
        (
            "0.0.0.0:0",
            &[][..],
            unmasked,
            "which are the private ones by default",
        ),
        (
            "0.0.0.0:0",
            &["--unmasked-from", "any"],
            unmasked,
            "from everywhere without TLS",
        ),
        (
            "0.0.0.0:0",
            &["--protocols", "default"],
            "clients of hixie-76 do not mask",
            "private",
        ),
        ("0.0.0.0:0", &["--protocols", "modern"], "", ""),
        ("0.0.0.0:0", &["--secure"], "", ""),
        ("127.0.0.1:0", &[], "", ""),
    ] {
        let protocols = &all[..if arguments.contains(&"--protocols") {
            2
        } else {
            4
        }];
        let warned = warned(listen, &[protocols, arguments].concat());
        let is_warned = usize::from(!beginning.is_empty());
        assert_eq!(warned.len(), is_warned, "{arguments:?}: {warned:?}");
        for warning in warned {
            assert!(warning.starts_with(beginning), "{warning}");
            assert!(
                warning.contains(then) && warning.contains("--unmasked-from"),
                "{warning}"
            );
        }
    }
}

#[test]
fn logs_why_an_unmasked_client_is_refused_without_telling_it() {
    let mut server = POLYSOCK.echo(&["--proxy-protocol", "127.0.0.1"]);
    let from = |source: &str| {
        let header = format!("PROXY TCP4 {source} 192.0.2.1 51234 80\r\n");
        [header.as_bytes(), HIXIE_76.as_bytes(), HIXIE_76_BODY].concat()
    };
    server.answers(from("192.168.1.20"), 101);
    let (mut client, head) = server.answers(from("203.0.113.7"), 403);
    let said = head + &String::from_utf8_lossy(&client.rest());
    assert!(said.ends_with("this client is not served here\n"), "{said}");
    assert!(!said.contains("unmasked"), "{said}");
    let line = server.log_line("reject");
    for part in [
        "peer=203.0.113.7:51234",
        "clients of hixie-76 do not mask",
        "`unmasked_from`",
    ] {
        assert!(line.contains(part), "{line}");
    }
}

/// Parses the lines of a JSON log.
#[track_caller]
fn json(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Starts a server that logs in JSON.
fn json_server() -> Server {
    POLYSOCK.echo(&["--log-format", "json"])
}

#[test]
fn writes_a_line_at_open_and_one_at_close() {
    let mut server = json_server();
    // Characters that are valid in a field must not break the line.
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
    for line in [open, close] {
        assert_eq!(line["target"], "/chat");
    }
    assert_eq!(open["origin"], "http://a");
    assert_eq!(close["received"], 11 + 14);
    assert_eq!(close["sent"], 7 + 4);
    assert_eq!(
        (&close["messages_received"], &close["messages_sent"]),
        (&1.into(), &1.into())
    );
    assert_eq!(close["code"], 4000);
    assert_eq!(close["reason"], "enough");
    assert_eq!(close["by"], "client");
    assert!(close["seconds"].as_f64().unwrap() < PATIENCE.as_secs_f64());
}

#[test]
fn shows_characters_that_do_not_show_themselves() {
    let hidden = ["\u{202e}", "\u{2066}", "\u{200b}", "\u{feff}", "\u{e0041}"];
    let agent = format!("Kiosk{}moc.elpmaxe", hidden.concat());
    let request = with(RFC6455, &format!("User-Agent: {agent}\r\n"));
    for format in ["text", "json"] {
        let mut server = POLYSOCK.echo(&["--log-format", format]);
        let (mut client, _) = server.ask(&request);
        client.send(frame(0x88, b"\x03\xe8"));
        client.rest();
        let log = server.stop();
        for hidden in hidden {
            assert!(!log.contains(hidden), "{log:?}");
        }
        assert!(log.contains("202e"), "{log:?}");
        if format == "json" {
            let lines = json(&log);
            let mut opened = lines.iter().filter(|line| line["message"] == "open");
            assert_eq!(opened.next().unwrap()["user_agent"], agent);
        }
    }
}

#[test]
fn shows_no_token_of_a_target() {
    let request = RFC6455.replace("/chat", "/chat?token=s3cr3t&room=7");
    let (accepted, refused) = ("Origin: http://a\r\n", "Origin: http://b\r\n");
    for format in ["text", "json"] {
        let mut server = POLYSOCK.echo(&["--origin", "http://a", "--log-format", format]);
        for origin in [accepted, refused] {
            server.ask(with(&request, origin));
        }
        let log = server.stop();
        let shown = log.matches("/chat?token=***&room=***").count();
        assert!(shown == 3 && !log.contains("s3cr3t"), "{log}");
    }
}

#[test]
fn logs_the_close_code_of_each_kind_of_end() {
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
fn writes_a_line_for_each_refusal() {
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

#[test]
fn logs_the_upstream_of_a_relay_and_the_side_that_ended_it() {
    let behind = POLYSOCK.echo(&["--max-message", "10"]);
    let upstream = format!("ws://user:s3cr3t@{}/?token=s3cr3t", behind.address);
    let mut server = POLYSOCK.serve(&[&upstream, "--log-format", "json"]);
    let deflate =
        "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: a, b\r\n";
    let (mut client, _) = server.ask(with(RFC6455, deflate));
    for _ in 0..3 {
        client.send(frame(0x81, "Hello"));
        client.take(7);
    }
    // One message in two fragments, which is too long for the upstream.
    client.send([frame(0x01, "Hello, "), frame(0x80, "world")].concat());
    client.take(4);
    let open = json(&server.log_line("\"open\"")).remove(0);
    assert_eq!(open["extension"], "permessage-deflate");
    let close = json(&server.log_line("\"close\"")).remove(0);
    for line in [&open, &close] {
        let upstream = format!("ws://***@{}/?token=***", behind.address);
        assert_eq!(line["upstream"], upstream);
    }
    assert_eq!(close["by"], "upstream");
    assert_eq!(close["code"], 1009);
    assert_eq!(
        (&close["messages_received"], &close["messages_sent"]),
        (&4.into(), &3.into())
    );
}

#[test]
fn writes_a_line_for_each_ordinary_request() {
    let mut server = POLYSOCK.serve(&["--app", "chat", "--log-format", "json"]);
    for (request, status, target) in [
        (
            "GET /?token=s3cr3t HTTP/1.1\r\nHost: a\r\nUser-Agent: a\"b\r\n\r\n",
            200,
            "/?token=***",
        ),
        (
            "HEAD / HTTP/1.1\r\nHost: a\r\nUser-Agent: a\"b\r\n\r\n",
            200,
            "/",
        ),
        (
            "GET /nowhere HTTP/1.1\r\nHost: a\r\nUser-Agent: a\"b\r\n\r\n",
            404,
            "/nowhere",
        ),
    ] {
        let (client, head) = server.ask(request);
        let line = json(&server.log_line("\"request\"")).remove(0);
        assert_eq!(line["status"], status, "{head}");
        assert_eq!(line["target"], target);
        assert_eq!(line["method"], request.split(' ').next().unwrap());
        assert_eq!(line["peer"], client.address().to_string());
        assert_eq!(line["user_agent"], "a\"b");
        assert_eq!(line["complete"], true, "{line}");
        let has_body = request.starts_with("GET");
        assert_eq!(line["sent"].as_u64().unwrap() > 0, has_body, "{line}");
    }
}

#[test]
fn logs_how_much_a_slow_reader_missed() {
    for app in ["broadcast", "chat"] {
        let mut server = POLYSOCK.serve(&["--app", app, "--log-format", "json"]);
        let mut slow = server.websocket();
        let mut quick = server.websocket();
        // Far more than the transport buffers and the queue of the slow client hold.
        let text = "x".repeat(8 * 1024);
        let message = frame_of(&text);
        let reading = quick.stream().try_clone().unwrap();
        let reader = std::thread::spawn(move || {
            let mut reader = Client::over(reading);
            while !reader.read_once().is_empty() {}
        });
        for _ in 0..4000 {
            quick.send(&message);
        }
        let warning = json(&server.log_line("miss publications")).remove(0);
        assert_eq!(warning["level"], "WARN", "{app}");
        assert!(warning["subscriptions"].as_u64().unwrap() >= 1, "{app}");
        slow.finish();
        slow.gone();
        let peer = slow.address().to_string();
        let line = loop {
            let line = json(&server.log_line("\"close\"")).remove(0);
            if line["peer"] == peer {
                break line;
            }
        };
        assert!(line["missed"].as_u64().unwrap() > 0, "{app}: {line}");
        quick.finish();
        reader.join().unwrap();
    }
}

/// A masked text frame of some KiB.
fn frame_of(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&b"\x81\xfe"[..], &len, b"\0\0\0\0", text.as_bytes()].concat()
}

#[test]
fn the_line_of_a_proxied_request_names_the_answering_server() {
    let behind = POLYSOCK.serve(&["--app", "chat"]);
    let url = format!("http://me:hush@{}/", behind.address);
    for (upstream, status, says) in [
        (
            &*url,
            200,
            format!("upstream=\"http://***@{}/\"", behind.address),
        ),
        // No server listens on this port.
        ("http://127.0.0.1:1", 502, String::new()),
    ] {
        let mut gateway = POLYSOCK.serve(&[upstream]);
        let get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        gateway.answers(get, status).0.rest();
        let line = gateway.log_line("INFO request ");
        assert!(line.contains(&says), "{line}");
        assert_eq!(line.contains("upstream="), !says.is_empty(), "{line}");
    }
}
