//! The formats of the log, compared with the documentation.

use polysock_test_support::frame::{close, frame};
use polysock_test_support::opening::{RFC6455, with};
use serde_json::Value;

use crate::POLYSOCK;

const DOCUMENTATION: &str = include_str!("../../docs/logs.md");

/// Returns the code block below a heading of the documentation.
fn example(format: &str) -> &'static str {
    let (_, rest) = DOCUMENTATION
        .split_once(&format!("\n### {format}\n"))
        .unwrap();
    let (_, rest) = rest.split_once("\n```").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    rest.split_once("\n```").unwrap().0
}

/// Returns the log lines of a session that contain these parts.
fn lines(format: &str, parts: &[&str]) -> Vec<String> {
    let mut server = POLYSOCK.serve(&["--app", "chat", "--log-format", format]);
    let fields = "User-Agent: Kiosk/1.0\r\nOrigin: http://a\r\n";
    let request = RFC6455.replace("/chat", "/chat?room=lobby");
    let mut client = server.answers(with(&request, fields), 101).0;
    client.send(frame(0x81, "hi"));
    client.take(4);
    client.send(close(1000));
    client.rest();
    let get = format!(
        "GET /?a=b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}{}\r\n",
        "User-Agent: Kiosk/1.0\r\n",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
    );
    server.answers(get, 200).0.rest();
    let log = server.stop();
    let found = parts.iter().map(|part| {
        let mut found = log.lines().filter(|line| line.contains(part));
        let line = found.next().unwrap_or_else(|| panic!("no {part} in {log}"));
        assert_eq!(found.next(), None, "{log}");
        line.to_owned()
    });
    found.collect()
}

/// Returns the names of a line's fields, in their order.
fn names(format: &str, line: &str) -> Vec<String> {
    match format {
        "json" | "ecs" => {
            let value: Value = serde_json::from_str(line).unwrap();
            value.as_object().unwrap().keys().cloned().collect()
        }
        "clf" => {
            // Counts the words of the first three parts. Each later part counts as one word unless
            // it is empty.
            let parts = line.split('"').enumerate();
            let words = parts.map(|(number, part)| match number {
                0..=2 => part.split_whitespace().count(),
                _ => usize::from(!part.trim().is_empty()),
            });
            words.map(|words| words.to_string()).collect()
        }
        _ => {
            let words = line.split(' ').filter_map(|word| word.split_once('='));
            words.map(|(name, _)| name.to_owned()).collect()
        }
    }
}

#[test]
fn the_documentation_has_the_fields_of_each_format() {
    for (format, parts) in [
        ("text", [" INFO open ", " INFO close ", " INFO request "]),
        (
            "json",
            [
                "\"message\":\"open\"",
                "\"message\":\"close\"",
                "\"message\":\"request\"",
            ],
        ),
        (
            "ecs",
            [
                "\"message\":\"open\"",
                "\"message\":\"close\"",
                "\"message\":\"request\"",
            ],
        ),
    ] {
        let written = lines(format, &parts);
        let shown: Vec<_> = example(format).lines().collect();
        assert_eq!(shown.len(), written.len(), "{shown:?}");
        for (shown, written) in shown.iter().zip(written) {
            assert_eq!(names(format, shown), names(format, &written), "{written}");
        }
    }
    let written = lines(
        "clf",
        &[
            "GET /chat?room=*** HTTP/1.1\" 101 ",
            "GET /?a=*** HTTP/1.1\" 200 ",
        ],
    );
    let shown: Vec<_> = example("clf").lines().collect();
    assert_eq!(shown.len(), written.len(), "{shown:?}");
    for (shown, written) in shown.iter().zip(written) {
        assert_eq!(names("clf", shown), names("clf", &written), "{written}");
        assert!(written.ends_with(" \"-\" \"Kiosk/1.0\""), "{written}");
    }
}

#[test]
fn query_values_are_logged_only_if_enabled() {
    let request = RFC6455.replace("/chat", "/chat?token=s3cr3t&room=7&x");
    for (arguments, shown) in [
        (&["--log-query"][..], "target=\"/chat?token=***&room=7&x\""),
        (&[], "target=\"/chat?token=***&room=***&***\""),
    ] {
        let origin = ["--origin", "http://a"];
        let mut server = POLYSOCK.echo(&[&origin, arguments].concat());
        for origin in ["Origin: http://a\r\n", "Origin: http://b\r\n"] {
            server.ask(with(&request, origin));
        }
        let get =
            "GET /chat?token=s3cr3t&room=7&x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        server.ask(get).0.rest();
        let log = server.stop();
        let count = log.matches(shown).count();
        // At the open, the close, the rejection and the request.
        assert_eq!(count, 4, "{log}");
    }
}

/// W3C Trace Context: a participant that records no trace forwards both fields.
#[test]
fn the_trace_of_a_client_is_passed_on_and_logged() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let fields = format!("traceparent: {parent}\r\ntracestate: a=b,c=d\r\n");
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap();
    let asked = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for stream in upstream.incoming().take(2) {
            let mut client = polysock_test_support::client::Client::over(stream.unwrap());
            asked.push(client.head());
            client.send("HTTP/1.1 503 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        asked
    });
    let config = POLYSOCK.directory("trace").join("polysock.toml");
    let text = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\n\
         [[route]]\nclient = \"websocket\"\ntarget = \"ws://{address}\"\n\
         [[route]]\ntarget = \"http://{address}\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut command = POLYSOCK.command();
    command.arg("serve").arg("--config").arg(&config);
    let server =
        polysock_test_support::server::Server::start(&mut command, polysock_test_support::PATIENCE);
    let mut server = server.unwrap_or_else(|end| panic!("{end:?}"));
    server.answers(with(RFC6455, &fields), 503).0.rest();
    let get = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
    server.answers(get, 503).0.rest();
    for head in asked.join().unwrap() {
        let field = |name| polysock_test_support::opening::field(&head, name);
        assert_eq!(field("traceparent"), Some(&*parent), "{head}");
        assert_eq!(field("tracestate"), Some("a=b,c=d"), "{head}");
    }
    let line = server.log_line("INFO request ");
    assert!(line.contains(&format!("trace_id=\"{TRACE}\"")), "{line}");
}

#[test]
fn the_lines_about_a_client_name_its_trace() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let traced = format!("traceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n");
    let welcome = format!("{traced}Origin: http://a\r\n");
    let foreign = format!("{traced}Origin: http://b\r\n");
    let denied = format!("{traced}X-Forwarded-For: 10.1.2.3\r\n");
    let get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for (format, field) in [
        ("text", format!(" trace_id=\"{TRACE}\"")),
        ("json", format!("\"trace_id\":\"{TRACE}\"")),
        ("ecs", format!("\"trace.id\":\"{TRACE}\"")),
    ] {
        let mut server = POLYSOCK.echo(&[
            "--log-format",
            format,
            "--origin",
            "http://a",
            "--forwarded",
            "127.0.0.1",
            "--deny",
            "10.0.0.0/8",
        ]);
        drop(server.answers(with(RFC6455, &welcome), 101));
        server.answers(with(RFC6455, &foreign), 403).0.rest();
        let keyless = RFC6455.replace("Sec-WebSocket-Key", "X-Key");
        server.answers(with(&keyless, &traced), 400).0.rest();
        // A refused handshake, and a refused ordinary request.
        server.answers(with(RFC6455, &denied), 403).0.rest();
        server.answers(with(get, &denied), 403).0.rest();
        let log = server.stop();
        for (message, count) in [
            ("open", 1),
            ("close", 1),
            ("reject", 1),
            ("refuse", 3),
            ("request", 1),
        ] {
            let begins = [
                format!(" INFO {message} "),
                format!("\"message\":\"{message}\""),
            ];
            let lines = log.lines();
            let lines: Vec<_> = lines
                .filter(|line| begins.iter().any(|begin| line.contains(begin)))
                .collect();
            assert_eq!(lines.len(), count, "{message} in {log}");
            for line in lines {
                assert!(line.contains(&field), "{line}");
            }
        }
    }
}
