//! Messages to and from a process.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use polysock::{Connection, Message};
use polysock_test_support::dial::dial;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::opening::RFC6455;
use tokio::time::timeout;

use super::script;
use crate::POLYSOCK;

/// The close code if there is none.
const NONE: u16 = 1005;

/// Sends these texts. Returns the messages up to the close, and its code.
async fn talk(mut client: Connection, said: &[&str]) -> (Vec<Message>, u16) {
    for text in said {
        client.send((*text).into()).await.unwrap();
    }
    let mut heard = Vec::new();
    while let Some(message) = timeout(Duration::from_secs(20), client.next())
        .await
        .unwrap()
    {
        heard.push(message.unwrap());
    }
    let close = client.closed().and_then(|closed| closed.close.clone());
    (heard, close.map_or(NONE, |close| close.code.get()))
}

/// Starts a server with these arguments, and does the same in a protocol.
async fn run(arguments: &[&str], protocol: &str, said: &[&str]) -> (Vec<Message>, u16) {
    let server = POLYSOCK.serve(&[&["--protocols", "all"], arguments].concat());
    talk(dial(protocol, server.address, &[]).await, said).await
}

fn texts(texts: &[&str]) -> Vec<Message> {
    texts.iter().map(|text| Message::text(*text)).collect()
}

#[tokio::test]
async fn all_output_of_a_process_is_delivered_and_its_status_becomes_the_close() {
    for (command, said, heard, code) in [
        ("exec:seq 1 3", &[][..], &["1", "2", "3"][..], 1000),
        ("EXEC:printf 'a\\r\\n\\nb'", &[], &["a", "", "b"], 1000),
        ("exec:sh -c 'printf a; exit 3'", &[], &["a"], 1011),
        ("exec:sh -c 'echo a; kill -KILL $$'", &[], &["a"], 1011),
        ("exec:printf '\\377\\n'", &[], &["\u{fffd}"], 1000),
        ("exec:head -n 2", &["x", "", "y"], &["x", ""], 1000),
        // As in websocketd: the process receives two lines.
        ("exec:head -n 2", &["x\ny"], &["x", "y"], 1000),
        // The process closes its input.
        (
            "exec:sh -c 'exec <&-; sleep 0.1; echo a'",
            &["x", "y"],
            &["a"],
            1000,
        ),
        // The process closes its output, and ends with SIGTERM.
        ("exec:sh -c 'echo a; exec >&-; sleep 60'", &[], &["a"], 1000),
        // A child of the process writes.
        (
            "exec:sh -c '(sleep 0.2; echo b) & echo a'",
            &[],
            &["a", "b"],
            1000,
        ),
    ] {
        let expected = (texts(heard), code);
        assert_eq!(
            run(&[command], "rfc6455", said).await,
            expected,
            "{command}"
        );
    }
    let (heard, code) = run(&["exec:seq 1 3"], "hixie-76", &[]).await;
    assert_eq!((heard, code), (texts(&["1", "2", "3"]), NONE));
}

#[tokio::test]
async fn messages_use_the_configured_framing() {
    for (flags, command, said, heard) in [
        (
            &["--exec-framing", "nul"][..],
            "exec:head -z -n 2",
            &["a\nb", ""][..],
            texts(&["a\nb", ""]),
        ),
        (
            &["--exec-framing", "length"],
            "exec:head -c 11",
            &["a\nb", ""],
            texts(&["a\nb", ""]),
        ),
        (
            &["--exec-framing", "length", "--exec-binary"],
            "exec:printf '\\0\\0\\0\\2\\377\\0'",
            &[],
            vec![Message::binary(&b"\xff\0"[..])],
        ),
        (
            &["--exec-binary"],
            "exec:printf '\\377\\n'",
            &[],
            vec![Message::binary(&b"\xff"[..])],
        ),
        (
            &["--exec-framing", "stream"],
            "exec:head -c 2",
            &["a", "b"],
            vec![Message::binary(&b"a"[..]), Message::binary(&b"b"[..])],
        ),
    ] {
        let (mut found, code) = run(&[flags, &[command]].concat(), "rfc6455", said).await;
        if flags.contains(&"stream") {
            // Byte streams keep no boundaries.
            let bytes: Vec<u8> = found.iter().flat_map(Message::as_bytes).copied().collect();
            assert_eq!(bytes, b"ab");
            found.clone_from(&heard);
        }
        assert_eq!((found, code), (heard, 1000), "{flags:?} {command}");
    }
}

#[tokio::test]
async fn a_large_message_passes_whole_both_ways() {
    for framing in ["line", "nul", "length"] {
        let server = POLYSOCK.serve(&["--exec-framing", framing, "exec:cat"]);
        let mut client = dial("rfc6455", server.address, &[]).await;
        for text in ["x".repeat(3 << 20), "ü".repeat(100_000), String::new()] {
            client.send(text.as_str().into()).await.unwrap();
            let echo = client.next().await.unwrap().unwrap();
            assert!(
                echo.as_text() == Some(&*text),
                "{framing}: {} bytes",
                text.len()
            );
        }
        client.close(None).await.unwrap();
    }
}

#[tokio::test]
async fn programs_that_were_written_for_websocketd_run_unchanged() {
    let directory = POLYSOCK.directory("websocketd");
    let count = "#!/bin/bash\nfor ((COUNT = 1; COUNT <= 10; COUNT++)); do\n  echo $COUNT\n  sleep 0.02\ndone\n";
    let greeter = "#!/bin/bash\nwhile read LINE\ndo\n\techo \"Hello $LINE!\"\ndone\n";
    let python = "#!/usr/bin/env python3\nfrom sys import stdin, stdout\nfor line in stdin:\n    print('Hello ' + line.strip() + '!')\n    stdout.flush()\n";
    let perl = "#!/usr/bin/env perl\n$| = 1;\nwhile (<>) { chomp; print \"Hello $_!\\n\"; }\n";
    let to_ten: Vec<String> = (1..=10).map(|number| number.to_string()).collect();
    let to_ten: Vec<&str> = to_ten.iter().map(String::as_str).collect();

    let program = script(&directory, "count.sh", count);
    let heard = run(&["--", program.to_str().unwrap()], "rfc6455", &[]).await;
    assert_eq!(heard, (texts(&to_ten), 1000));

    for (name, text) in [
        ("greeter.sh", greeter),
        ("greeter.py", python),
        ("greeter.pl", perl),
    ] {
        let program = script(&directory, name, text);
        let command = format!("exec:{}", program.display());
        let server = POLYSOCK.serve(&["--protocols", "all", &command]);
        for protocol in ["hixie-75", "hixie-76", "hybi-10", "rfc6455"] {
            let mut client = dial(protocol, server.address, &[]).await;
            for name in ["Ann", "Bob", ""] {
                client.send(name.into()).await.unwrap();
                let heard = client.next().await.unwrap().unwrap();
                assert_eq!(
                    heard.as_text(),
                    Some(&*format!("Hello {name}!")),
                    "{protocol}"
                );
            }
            client.close(None).await.unwrap();
        }
    }
}

#[test]
fn the_standard_error_of_a_process_is_logged() {
    let mut server = POLYSOCK.serve(&[
        "--",
        "sh",
        "-c",
        "echo 'all \x1b[1mis lost' >&2; seq 100000 >&2",
    ]);
    server.websocket().gone();
    let line = server.log_line("is lost");
    assert!(line.contains("INFO") && !line.contains('\x1b'), "{line}");
    let log = server.stop();
    assert!(log.contains("too many lines of standard error"), "{log}");
    assert!(log.lines().count() < 1000, "{} lines", log.lines().count());
}

#[test]
fn a_process_that_reads_nothing_stops_its_client() {
    let server = POLYSOCK.serve(&["--ping-interval", "none", "exec:sleep 60"]);
    let mut client = server.websocket();
    let (before, _) = server.memory();
    client.send_until_stuck(&frame(0x81, vec![b'x'; 60_000]));
    let (_, highest) = server.memory();
    let growth = highest.saturating_sub(before);
    assert!(growth < 8 << 20, "resident memory grew by {growth} bytes");
}

#[test]
fn a_client_that_reads_nothing_stops_its_process() {
    let directory = POLYSOCK.directory("backpressure");
    let marks = directory.join("marks");
    // A mark for each 10 MB that the process has written.
    let text = "#!/bin/sh\nwhile yes | head -c 10000000; do echo >> marks; done\n";
    let program = script(&directory, "flood.sh", text);
    let dir = directory.to_str().unwrap();
    let server = POLYSOCK.serve(&["--exec-dir", dir, "--", program.to_str().unwrap()]);
    let (mut client, _) = server.answers(RFC6455, 101);
    let (before, _) = server.memory();
    client.expect(unmasked(0x81, "y"));
    // Time enough for the process to write far more than the buffers hold.
    std::thread::sleep(Duration::from_secs(1));
    let (_, highest) = server.memory();
    let growth = highest.saturating_sub(before);
    assert!(growth < 8 << 20, "resident memory grew by {growth} bytes");
    let marks = std::fs::read(marks).unwrap_or_default().len();
    assert!(marks <= 1, "{marks}0 MB were written");
}

#[test]
fn a_program_that_cannot_be_started_is_a_bad_gateway() {
    let mut server = POLYSOCK.serve(&["exec:/nonexistent/program 'and more'"]);
    server.answers(RFC6455, 502);
    let line = server.log_line("cannot start");
    assert!(
        line.contains("/nonexistent/program: No such file"),
        "{line}"
    );
}
