//! `polysock bench`: measures every protocol, and names servers that do not echo.

use std::iter;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;

use futures_util::{SinkExt, StreamExt};
use polysock::protocols::PROTOCOLS;
use polysock::{
    Accept, BoxError, Close, CloseCode, Connection, Gateway, Handshake, Message, Rejection, Side,
};
use polysock_test_support::process;
use polysock_test_support::program::{Input, Run};
use polysock_test_support::tcp::raw_echo_server;
use polysock_test_support::{PATIENCE, gateway};
use serde_json::Value;

use crate::POLYSOCK;

const PERCENTILES: [&str; 5] = ["p50", "p90", "p99", "p999", "max"];

#[test]
fn measures_every_protocol() {
    let server = POLYSOCK.echo(&[]);
    for protocol in PROTOCOLS {
        let name = protocol.name();
        let flags = ["--connections", "3", "--in-flight", "4", "--duration"];
        let named = ["300ms", "--protocol", name];
        let report = measured(server.address, &[&flags[..], &named].concat());
        assert_eq!(report["protocol"], name);
        let binary = protocol.capabilities().binary;
        assert_eq!(report["kind"], if binary { "binary" } else { "text" });
        assert_eq!(report["size"], 64);
        assert_eq!(report["in_flight"], 4);
        assert_eq!(report["byte_stream"], false);
        assert_eq!(report["connections"], 3);
        assert_eq!(report["opened"], 3);
        assert_eq!(report["interrupted"], false);
        let [seconds, messages, rate, mebibytes] = [
            "seconds",
            "messages",
            "messages_per_second",
            "mib_per_second",
        ]
        .map(|key| report[key].as_f64().unwrap());
        assert!(seconds >= 0.3, "{report}");
        assert!((rate * seconds - messages).abs() < 1.0, "{report}");
        assert!((mebibytes * 16384.0 - rate).abs() < 1.0, "{report}");
        for key in ["latency_us", "setup_us"] {
            let values = PERCENTILES.map(|name| report[key][name].as_f64().unwrap());
            assert!(values[0] > 0.0 && values.is_sorted(), "{report}");
        }
    }
}

#[test]
fn measures_messages_of_every_size() {
    let server = POLYSOCK.echo(&["--max-message", "64MiB"]);
    for (size, in_flight) in [
        ("0", "1"),
        ("1", "300"),
        ("125", "2"),
        ("64KiB", "8"),
        // More than the buffers of both directions hold: a client that only writes would block
        // forever.
        ("4MiB", "8"),
    ] {
        for kind in [&["--text"][..], &[]] {
            let flags = [
                "--size",
                size,
                "--in-flight",
                in_flight,
                "--duration",
                "500ms",
            ];
            let report = measured(server.address, &[&flags[..], kind].concat());
            let expected = if kind.is_empty() { "binary" } else { "text" };
            assert_eq!(report["kind"], expected);
        }
    }
}

#[test]
fn measures_a_bridge_to_a_byte_stream() {
    let server = POLYSOCK.serve(&[&format!("tcp://{}", raw_echo_server())]);
    for (size, in_flight, protocol) in [
        ("1", "1", &[][..]),
        ("64", "16", &[]),
        ("1MiB", "16", &[]),
        // hixie-76 has no binary messages, and a stream is not text.
        (
            "64",
            "16",
            &["--protocol", "hixie-76", "--subprotocol", "base64"],
        ),
    ] {
        let flags = ["--byte-stream", "--size", size, "--in-flight", in_flight];
        let timed = ["--duration", "500ms"];
        let report = measured(server.address, &[&flags[..], &timed, protocol].concat());
        assert_eq!(report["byte_stream"], true);
        assert_eq!(report["kind"], "binary");
    }
}

#[test]
fn counts_the_bytes_of_a_stream_whatever_messages_they_are_in() {
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    // Each answer contains three and a half messages.
    let address = serve(move |handshake| {
        let sent = Arc::clone(&count);
        async move {
            let mut connection = accept(handshake).await?;
            let mut stream = Vec::new();
            while let Some(message) = connection.next().await.transpose()? {
                stream.extend(message.as_bytes());
                while stream.len() >= 224 {
                    sent.fetch_add(224, Ordering::Relaxed);
                    let answer: Vec<u8> = stream.drain(..224).collect();
                    connection.send(Message::binary(answer)).await?;
                }
            }
            Ok(())
        }
    });
    let flags = ["--in-flight", "16", "--duration", "300ms"];
    let report = measured(address, &[&["--byte-stream"], &flags[..]].concat());
    let messages = report["messages"].as_u64().unwrap();
    let answered = sent.load(Ordering::Relaxed) / 64;
    // Messages in flight when the time is up are not measured.
    assert!((messages..=messages + 16).contains(&answered), "{report}");
    let url = format!("ws://{address}/");
    let run = run(&[&[&url[..], "--json"], &flags[..]].concat());
    let errors = serde_json::json!({ "the server does not echo": 1 });
    assert_eq!(json(&run)["errors"], errors);
}

#[test]
fn prints_a_readable_report() {
    let server = POLYSOCK.echo(&[]);
    let url = format!("ws+hixie76://{}/", server.address);
    let run = run(&[&url, "--duration", "100ms"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(run.stderr, "");
    let lines: Vec<&str> = run.text().lines().collect();
    let head = "hixie-76: 1 of 1 connections, text messages of 64 bytes, 1 in flight on each";
    assert_eq!(lines[0], head);
    for (line, parts) in [
        (lines[1], &["messages  ", " messages/s, ", " MiB/s"][..]),
        (lines[2], &["latency   p50 ", "p99.9 ", "max "]),
        (lines[3], &["set-up    p50 ", "p90 "]),
    ] {
        for part in parts {
            assert!(line.contains(part), "{line}");
        }
    }
    assert_eq!(lines.len(), 4, "{lines:?}");
}

#[test]
fn offers_the_subprotocols_in_their_order() {
    let offered = serve(|handshake| async move {
        let offered = handshake.request().subprotocols.clone();
        if offered != ["b", "a"] {
            return Err(format!("{offered:?}").into());
        }
        echo(handshake).await
    });
    let flags = ["--subprotocol", "b", "--subprotocol", "a"];
    measured(offered, &[&flags[..], &["--duration", "100ms"]].concat());
}

#[test]
fn names_a_server_that_does_not_echo() {
    let other = serve(|handshake| {
        answer(handshake, |bytes| {
            bytes.iter().rev().copied().collect::<Vec<u8>>()
        })
    });
    let longer = serve(|handshake| answer(handshake, |bytes| [bytes, b"!"].concat()));
    let shorter = serve(|handshake| answer(handshake, |_| Vec::new()));
    let talker = serve(|handshake| async move {
        let mut connection = accept(handshake).await?;
        loop {
            connection.send("hello".into()).await?;
        }
    });
    let silent = serve(|handshake| async move {
        let mut connection = accept(handshake).await?;
        while connection.next().await.transpose()?.is_some() {}
        Ok(())
    });
    let messages = ["--connections", "2", "--duration", "200ms", "--json"];
    let bytes = [&messages[..], &["--byte-stream"]].concat();
    for (address, flags, error) in [
        (other, &messages[..], "the server does not echo"),
        (longer, &messages, "the server does not echo"),
        (shorter, &messages, "the server does not echo"),
        (talker, &messages, "the server does not echo"),
        (silent, &messages, "the server did not answer"),
        (other, &bytes, "the server does not echo"),
        (shorter, &bytes, "the server did not answer"),
    ] {
        let url = format!("ws://{address}/");
        let run = run(&[&[&url[..]], flags].concat());
        assert_eq!(run.code, Some(1), "{error}");
        let report = json(&run);
        assert_eq!(report["messages"], 0);
        assert_eq!(report["latency_us"], Value::Null);
        assert_eq!(report["errors"], serde_json::json!({ error: 2 }));
    }
    // The message came back with a byte that was never sent.
    let url = format!("ws://{longer}/");
    let report = json(&run(&[&[&url[..]], &bytes[..]].concat()));
    assert_eq!(report["messages"], 2);
    let errors = serde_json::json!({ "the server does not echo": 2 });
    assert_eq!(report["errors"], errors);
}

#[test]
fn counts_failed_connections_and_continues() {
    let opened = AtomicU32::new(0);
    // The first connection is refused, the second is closed after an answer, and the others are
    // served.
    let address = serve(move |handshake| {
        let number = opened.fetch_add(1, Ordering::Relaxed);
        async move {
            match number {
                0 => {
                    handshake.reject(Rejection::new(503, "full"));
                    Ok(())
                }
                1 => {
                    let mut connection = accept(handshake).await?;
                    let message = connection.next().await.transpose()?;
                    connection.send(message.ok_or("no message")?).await?;
                    let code = CloseCode::new(4000).unwrap();
                    Ok(connection.close(Some(Close::new(code, "enough"))).await?)
                }
                _ => echo(handshake).await,
            }
        }
    });
    let url = format!("ws://{address}/");
    let run = run(&[&url, "--connections", "5", "--duration", "300ms", "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let report = json(&run);
    assert_eq!(report["opened"], 4);
    let errors = serde_json::json!({
        "upstream: the server answered with status 503": 1,
        "the server closed the connection with 4000 enough": 1,
    });
    assert_eq!(report["errors"], errors);
    assert!(report["messages"].as_u64().unwrap() > 1);
}

#[test]
fn ends_with_3_when_nothing_listens() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    // Also with many connections to try.
    for connections in ["1", "100000"] {
        let url = format!("ws://{address}/");
        let run = run(&[&url, "--connections", connections, "--json"]);
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        assert_eq!(run.text(), "");
        let reason = format!("cannot connect to {address}: ");
        assert!(run.stderr.contains(&reason), "{}", run.stderr);
        assert!(run.stderr.contains("no connection could be opened"));
    }
}

#[test]
fn names_the_cause_of_wrong_usage() {
    for (arguments, part) in [
        (&["http://127.0.0.1/"][..], "is not a WebSocket URL"),
        (&["ws+hixie77://127.0.0.1"], "`hixie77` is not a protocol"),
        (&["ws://a", "--protocol", "hixie77"], "no such protocol"),
        (&["ws://a", "--connections", "0"], "--connections <COUNT>"),
        (&["ws://a", "--in-flight", "0"], "--in-flight <COUNT>"),
        (&["ws://a", "--size", "none"], "at most 1GiB"),
        (
            &["ws://a", "--size", "0", "--byte-stream"],
            "write at least 1",
        ),
        (&["ws://a", "--duration", "10"], "ms, s, m or h, as 10s"),
    ] {
        let run = run(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}");
        assert!(run.stderr.contains(part), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn reports_when_it_is_interrupted() {
    let (sender, events) = mpsc::channel();
    let address = serve(move |handshake| {
        let sender = sender.clone();
        async move {
            let mut connection = accept(handshake).await?;
            while let Some(message) = connection.next().await.transpose()? {
                sender.send(None)?;
                connection.send(message).await?;
            }
            Ok(sender.send(connection.closed().map(|closed| closed.by))?)
        }
    });
    let bench = POLYSOCK
        .command()
        .arg("bench")
        .arg(format!("ws://{address}/"))
        .args(["--duration", "30s", "--json"])
        .stdout(Stdio::piped())
        .spawn();
    let bench: Child = bench.unwrap();
    // After the first message, the opening handshake is complete.
    assert_eq!(events.recv_timeout(PATIENCE), Ok(None));
    process::signal(&bench, "INT");
    let output = process::output(bench, PATIENCE);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["interrupted"], true);
    assert_eq!(report["opened"], 1);
    // The interrupt may come before the first answer.
    let measured = report["messages"].as_u64().unwrap() > 0;
    assert_eq!(output.status.code(), Some(i32::from(!measured)));
    // The server has received the close.
    let by = iter::repeat_with(|| events.recv_timeout(PATIENCE).unwrap()).find_map(|by| by);
    assert_eq!(by, Some(Side::Peer));
}

/// Returns the report of a run without errors.
fn measured(address: SocketAddr, flags: &[&str]) -> Value {
    let url = format!("ws://{address}/echo");
    let run = run(&[&[&url[..], "--json"], flags].concat());
    assert_eq!(run.code, Some(0), "{flags:?}: {}", run.stderr);
    assert_eq!(run.stderr, "", "{flags:?}");
    let report = json(&run);
    assert_eq!(report["errors"], serde_json::json!({}), "{flags:?}");
    assert!(report["messages"].as_u64().unwrap() > 0, "{flags:?}");
    report
}

fn run(arguments: &[&str]) -> Run {
    POLYSOCK.run(&[&["bench"], arguments].concat(), Input::NOTHING)
}

/// Parses the only line of stdout.
fn json(run: &Run) -> Value {
    assert_eq!(run.text().lines().count(), 1, "{}", run.text());
    serde_json::from_str(run.text()).unwrap()
}

/// Starts a server of this application, in a thread that ends with the test.
fn serve<F>(application: impl Fn(Handshake) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    gateway::serve(Gateway::new(application))
}

async fn accept(handshake: Handshake) -> Result<Connection, BoxError> {
    let accept = Accept::first_offered(handshake.request());
    Ok(handshake.accept(accept).await?)
}

async fn echo(handshake: Handshake) -> Result<(), BoxError> {
    answer(handshake, <[u8]>::to_vec).await
}

/// Answers each message with the output of `make`.
async fn answer(handshake: Handshake, make: fn(&[u8]) -> Vec<u8>) -> Result<(), BoxError> {
    let mut connection = accept(handshake).await?;
    while let Some(message) = connection.next().await.transpose()? {
        let answer = Message::binary(make(message.as_bytes()));
        connection.send(answer).await?;
    }
    Ok(())
}
