//! Recording of sessions of every kind.

use std::thread;
use std::time::Duration;

use polysock_instrument::transcript::{Observation, Step};
use polysock_test_support::corpus;
use polysock_test_support::frame::{close, frame};
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY, RFC6455};
use polysock_test_support::program::Input;
use polysock_test_support::tcp::raw_echo_server;

use super::Capture;
use crate::POLYSOCK;

#[test]
fn the_whole_corpus_is_recorded_and_replays() {
    // HTTP/2 is recorded only with this flag.
    let mut capture = Capture::start("corpus", &["--keep-secrets"]);
    let address = capture.server.address.to_string();
    let played = POLYSOCK.run(
        &["replay", corpus::DIRECTORY, "--to", &address, "--jobs", "8"],
        Input::Open,
    );
    let last = played.text().lines().last().unwrap_or_default().to_owned();
    let count = |what: &str| -> usize {
        let mut words = last.split(", ").filter_map(|words| words.split_once(' '));
        let found = words.find(|(_, kind)| *kind == what);
        found.unwrap_or_else(|| panic!("{last}")).0.parse().unwrap()
    };
    let (green, different) = (count("as recorded"), count("different"));
    capture.stop();
    assert!(green > 150, "{last}");
    assert_eq!(capture.names().len(), green + different);
    // Fixtures marked `only: whole` replay as recorded, and in no other split.
    capture.replays_cut(&["as-recorded", "whole"]);
    let refused = capture
        .names()
        .iter()
        .filter(|name| name.contains("-refused-4"))
        .count();
    assert!(refused > 30, "{refused} refusals");
}

#[test]
fn a_file_name_contains_time_protocol_peer_and_outcome() {
    let mut capture = Capture::start("names", &[]);
    let (mut client, _) = capture.server.ask(HIXIE_76.replace("Host", "X: y\r\nHost"));
    client.send(HIXIE_76_BODY);
    let (mut refused, _) = capture.server.ask(RFC6455.replace("Key", "Kex"));
    let ports = [client.address().port(), refused.address().port()];
    client.take(16);
    client.finish();
    client.rest();
    refused.rest();
    drop(refused);
    capture.stop();
    let names = capture.names();
    let [first, second] = &names[..] else {
        panic!("{names:?}");
    };
    let ends = [
        format!("Z-hixie-76-127.0.0.1_{}-open.wire", ports[0]),
        format!("Z-none-127.0.0.1_{}-refused-400.wire", ports[1]),
    ];
    assert!(first.ends_with(&ends[0]), "{first}");
    assert!(second.ends_with(&ends[1]), "{second}");
    assert_eq!(first.find('T'), Some("2026-01-02".len()), "{first}");
    capture.replays();
}

#[test]
fn the_newest_refusal_is_explained() {
    let mut capture = Capture::start("explained", &[]);
    let (mut client, head) = capture.server.ask(RFC6455.replace("GET", "POST"));
    assert!(head.starts_with("HTTP/1.1 4"), "{head}");
    client.rest();
    drop(client);
    capture.stop();
    let directory = capture.directory.to_str().unwrap();
    let run = POLYSOCK.run(&["explain", "--last-refused", directory], Input::Open);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.text().contains("refused"), "{}", run.text());
    capture.replays();
}

#[test]
fn a_head_that_does_not_end_is_recorded_with_its_refusal() {
    let mut capture = Capture::start("slow", &["--handshake-timeout", "300ms"]);
    let (mut client, head) = capture.server.ask(RFC6455.trim_end());
    assert!(head.starts_with("HTTP/1.1 408"), "{head}");
    client.rest();
    drop(client);
    capture.stop();
    let refused = |step: &Step| matches!(step, Step::Refused(one) if one.status == Some(408));
    assert!(capture.only().steps.iter().any(refused));
    capture.replays();
}

#[test]
fn connections_that_are_no_websockets_are_recorded() {
    let mut capture = Capture::start("others", &[]);
    for bytes in [
        &b"<policy-file-request/>\0"[..],
        b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HT",
    ] {
        let mut client = capture.server.connect();
        client.send(bytes);
        client.finish();
        client.gone();
    }
    // Secrets in HTTP/2 could not be masked.
    let mut opaque = capture.server.connect();
    opaque.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    opaque.finish();
    opaque.gone();
    // A client that sends nothing gets no file.
    let mut silent = capture.server.connect();
    silent.finish();
    silent.gone();
    let log = capture.stop();
    assert!(
        log.contains("the HTTP/2 connection is not recorded"),
        "{log}"
    );
    assert_eq!(capture.names().len(), 5, "{:?}", capture.names());
    capture.replays();
}

#[test]
fn segments_and_pauses_are_in_the_file() {
    let mut capture = Capture::start("segments", &[]);
    let (mut client, _) = capture.server.ask(RFC6455);
    let frame = frame(0x81, "Hello");
    client.send(&frame[..4]);
    thread::sleep(Duration::from_millis(60));
    client.send(&frame[4..]);
    client.expect(b"\x81\x05Hello");
    client.send(close(1000));
    client.rest();
    drop(client);
    capture.stop();
    let transcript = capture.only();
    let text = transcript.to_string();
    assert!(text.contains("hex 81850000\n> @"), "{text}");
    let hello = Step::Sees(Observation::Text(vec![
        polysock_instrument::transcript::Part::Bytes("Hello".into()),
    ]));
    assert!(
        transcript
            .steps
            .iter()
            .any(|step| step.has_same_content(&hello)),
        "{text}"
    );
    capture.replays();
}

#[test]
fn half_closed_and_reset_connections_are_recorded() {
    let mut capture = Capture::start("half-closed", &[]);
    // A client that half-closes after its last message, and reads the answer.
    let (mut client, _) = capture.server.ask(RFC6455);
    client.send([frame(0x81, "Hello"), close(1000)].concat());
    client.finish();
    client.expect(b"\x81\x05Hello\x88\x02\x03\xe8");
    client.rest();
    // A client that ends without a closing handshake.
    let (mut client, _) = capture.server.ask(RFC6455);
    client.send(frame(0x81, "Hello"));
    client.expect(b"\x81\x05Hello");
    client.finish();
    client.gone();
    // A client that resets the connection, because it has not read all its data.
    let (mut client, _) = capture.server.ask(RFC6455);
    client.send(frame(0x81, "Hello"));
    for _ in 0..2 {
        capture.server.log_line("INFO captured");
    }
    drop(client);
    capture.server.log_line("INFO captured");
    capture.stop();
    assert_eq!(capture.names().len(), 3);
    capture.replays();
}

#[test]
fn two_hundred_simultaneous_connections_are_two_hundred_files() {
    const COUNT: usize = 200;
    let mut capture = Capture::start("many", &[]);
    let mut clients: Vec<_> = (0..COUNT)
        .map(|number| {
            let mut client = capture.server.connect();
            client.send(RFC6455.replace("/chat", &format!("/{number}")));
            client
        })
        .collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.head();
        client.send(frame(0x82, number.to_string().repeat(50)));
    }
    for client in &mut clients {
        client.send(close(1000));
    }
    for client in &mut clients {
        client.rest();
    }
    drop(clients);
    capture.stop();
    let fixtures = capture.fixtures();
    assert_eq!(fixtures.len(), COUNT);
    for number in 0..COUNT {
        let opens = format!("= open rfc6455 \"/{number}\"\n");
        let payload = number.to_string().repeat(50);
        let found = fixtures.iter().filter(|fixture| {
            let text = fixture.transcript.to_string();
            text.contains(&opens) && text.contains(&payload)
        });
        assert_eq!(found.count(), 1, "{number}");
    }
    capture.replays();
}

#[test]
fn a_session_with_an_upstream_is_recorded() {
    let upstream = format!("tcp://{}", raw_echo_server());
    let mut capture = Capture::start("upstream", &[&upstream]);
    let (mut client, _) = capture.server.ask(RFC6455);
    for text in ["Hello", "again"] {
        client.send(frame(0x82, text));
        client.expect([&b"\x82\x05"[..], text.as_bytes()].concat());
    }
    client.send(close(1000));
    client.rest();
    drop(client);
    capture.stop();
    capture.replays();
}
