//! Taps on the traffic of connections.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use polysock_test_support::frame::{close, frame, unmasked};
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY, RFC6455, with};
use polysock_test_support::program::Input;
use serde_json::Value;

use super::{At, Controlled, TOKEN, on_tcp, on_unix};
use crate::POLYSOCK;

/// A running `polysock ctl tap`, which ends with the test.
struct Tap {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Starts a tap.
fn tap(controlled: &mut Controlled, arguments: &[&str]) -> Tap {
    let At::Unix(socket) = &controlled.at else {
        panic!("a Unix socket");
    };
    let mut command = POLYSOCK.command();
    command
        .args([
            "ctl",
            "--control",
            &format!("unix:{}", socket.display()),
            "tap",
        ])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    controlled.server.log_line("a tap begins audit=true");
    Tap { child, lines }
}

impl Tap {
    fn line(&mut self) -> String {
        self.lines.next().expect("a line").unwrap()
    }

    /// Returns the next line without its time and the id of the connection.
    fn said(&mut self) -> String {
        let line = self.line();
        let (_, rest) = line.split_once(' ').unwrap();
        rest.split_once(' ').unwrap().1.to_owned()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_tap_prints_readable_events() {
    let mut controlled = on_unix("control-tap", &["--app", "echo"]);
    let options = ["--payload", "--raw", "--events", "7"];
    let mut tap = tap(&mut controlled, &options);
    let mut client = controlled.server.connect();
    let secret = "Cookie: session=abcdefgh\r\n";
    client.send(with(RFC6455, secret));
    client.head();
    client.send(frame(0x81, "Grüße \u{1b}[2J"));
    client.expect(unmasked(0x81, "Grüße \u{1b}[2J"));
    client.send(frame(0x89, ""));
    client.expect(unmasked(0x8a, ""));
    client.send(close(1000));
    client.expect(b"\x88\x02\x03\xe8");
    let begun = tap.said();
    assert!(
        begun.starts_with("client     begun rfc6455 127.0.0.1:"),
        "{begun}"
    );
    let mut head = Vec::new();
    let first = loop {
        let line = tap.line();
        if !line.starts_with("    ") {
            break line;
        }
        head.push(line);
    };
    let head = head.join("\n");
    assert!(head.contains("    Cookie: session=xxxxxxxx"), "{head}");
    assert!(
        head.contains("    HTTP/1.1 101 Switching Protocols"),
        "{head}"
    );
    assert!(
        first.ends_with("client   → text 12 B Grüße \\u{1b}[2J"),
        "{first}"
    );
    let wire = tap.line();
    assert!(wire.starts_with("    wire 18 B 81 8c "), "{wire}");
    assert_eq!(tap.said(), "client   ← text 12 B Grüße \\u{1b}[2J");
    assert!(tap.line().starts_with("    wire 14 B 81 0c 47 72 c3 bc"));
    assert_eq!(tap.said(), "client   → ping 0 B");
    tap.line();
    assert_eq!(tap.said(), "client   ← pong 0 B");
    assert_eq!(tap.line(), "    wire 2 B 8a 00");
    assert_eq!(tap.said(), "client   → close 1000");
    tap.line();
    assert_eq!(tap.said(), "client   ← close 1000");
    tap.line();
    assert_eq!(tap.line(), "tap ended: event limit reached");
    assert!(tap.child.wait().unwrap().success());
    controlled.server.log_line("a tap ends audit=true");
}

#[test]
fn a_filtered_tap_prints_json() {
    let mut controlled = on_unix("control-tap-json", &["--app", "echo", "--protocols", "all"]);
    let mut other = controlled.server.websocket();
    let options = [
        "--protocol",
        "hixie-76",
        "--output",
        "json",
        "--events",
        "2",
    ];
    let mut tap = tap(&mut controlled, &options);
    other.send(frame(0x81, "not this one"));
    other.expect(unmasked(0x81, "not this one"));
    let mut client = controlled.server.connect();
    client.send(HIXIE_76);
    client.send(HIXIE_76_BODY);
    client.head();
    client.take(16);
    let begun: Value = serde_json::from_str(&tap.line()).unwrap();
    assert_eq!(begun["what"], "begun", "{begun}");
    assert_eq!(begun["protocol"], "hixie-76");
    assert_eq!(
        controlled.json("/connections")["connections"][1]["tapped"],
        true
    );
    client.send(b"\0secret\xff");
    client.expect(b"\0secret\xff");
    let text: Value = serde_json::from_str(&tap.line()).unwrap();
    assert_eq!(
        (&text["what"], &text["way"]),
        (&"text".into(), &"received".into())
    );
    assert_eq!(
        (&text["bytes"], &text["wire_bytes"]),
        (&6.into(), &8.into())
    );
    assert!(
        text.get("payload").is_none() && text.get("wire").is_none(),
        "{text}"
    );
    let over: Value = serde_json::from_str(&tap.line()).unwrap();
    assert_eq!(over["what"], "over", "{over}");
}

#[test]
fn transcripts_of_both_sides_are_played_again() {
    let echo = POLYSOCK.serve(&["--app", "echo"]);
    let upstream = format!("ws://{}", echo.address);
    let mut controlled = on_unix("control-tap-wire", &[&upstream, "--protocols", "all"]);
    let out = POLYSOCK.directory("control-tap-wire-out");
    let path = out.display().to_string();
    let mut tap = tap(&mut controlled, &["--output", "wire", "--out", &path]);
    let mut client = controlled.server.connect();
    client.send(HIXIE_76);
    client.send(HIXIE_76_BODY);
    client.head();
    client.take(16);
    for text in ["hello", "again"] {
        let text = [b"\0", text.as_bytes(), b"\xff"].concat();
        client.send(&text);
        client.expect(&text);
    }
    client.send(b"\xff\0");
    client.expect(b"\xff\0");
    client.rest();
    // A client that is cut off is recorded too.
    let mut cut = controlled.server.websocket();
    cut.send(frame(0x81, "hello"));
    cut.expect(unmasked(0x81, "hello"));
    drop(cut);
    for _ in 0..4 {
        assert!(tap.line().ends_with(".wire"));
    }
    let played = POLYSOCK.run(&["replay", &path], Input::NOTHING);
    assert_eq!(played.code, Some(0), "{}", played.text());
    assert!(
        played.text().contains("4 as recorded, 0 different"),
        "{}",
        played.text()
    );
}

#[test]
fn a_tap_needs_a_token_and_is_bounded() {
    let controlled = on_tcp("control-tap-guard", true, &["--app", "echo"]);
    let _client = controlled.server.websocket();
    controlled.has(1);
    let bearer = format!("Bearer {TOKEN}");
    let post = |path: &str, is_allowed: bool, body: &str| {
        let mut fields = vec![("Content-Type", "application/json")];
        if is_allowed {
            fields.push(("Authorization", bearer.as_str()));
        }
        let (status, _, answer) = controlled.ask_with("POST", path, &fields, body);
        (status, answer)
    };
    assert_eq!(post("/tap", false, "{}").0, 401);
    let list = controlled.json("/connections");
    let id = list["connections"][0]["id"].as_str().unwrap();
    let one = format!("/connections/{id}/tap");
    assert_eq!(post(&one, false, "{}").0, 401);
    for (path, body, status, part) in [
        (&*one, r#"{"transcript": true}"#, 409, "handshake"),
        ("/connections/ffffff-1/tap", "{}", 404, "no such connection"),
        ("/connections/x/tap", "{}", 400, ""),
        ("/tap", r#"{"for": "11m"}"#, 400, "for: "),
        ("/tap", r#"{"events": 10001}"#, 400, "events: "),
        ("/tap", r#"{"output": "xml"}"#, 400, "output: "),
        (
            "/tap",
            r#"{"filter": {"colour": "red"}}"#,
            400,
            "colour is not a parameter",
        ),
    ] {
        let (is, answer) = post(path, true, body);
        assert_eq!(is, status, "{path} {body}: {answer}");
        assert!(answer.contains(part), "{path} {body}: {answer}");
    }
    // The tap begins with the open connections, and ends by itself.
    let (status, answer) = post(&one, true, r#"{"for": "100ms", "output": "text"}"#);
    assert_eq!(status, 200);
    assert!(answer.contains(" begun rfc6455 "), "{answer}");
    assert!(
        answer.ends_with("tap ended: time limit reached\n"),
        "{answer}"
    );
}
