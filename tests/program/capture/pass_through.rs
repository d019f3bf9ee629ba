//! The answers of another server are recorded unchanged.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use polysock_test_support::frame::frame;
use polysock_test_support::opening::RFC6455;
use polysock_test_support::program::Input;

use super::{Capture, note, said};
use crate::POLYSOCK;

/// Starts a server that reads a head on each connection, sends the next of these answers, and then
/// echoes until the end of the input.
fn foreign(answers: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
            stream.write_all(&rest).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        }
    });
    address
}

#[test]
fn the_answers_of_any_server_are_recorded_and_forwarded_unchanged() {
    const ODD: &str = "HTTP/1.1 101 Whatever\r\nupgrade:WebSocket\r\nConnection: keep-alive, \
         Upgrade\r\nX-Odd:  spaces  \r\nSec-WebSocket-Accept: wrong\r\n\r\n";
    const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope\n";
    let server = foreign(&[ODD, NOT_FOUND]).to_string();
    let mut capture = Capture::start("foreign", &["--pass-through", &server]);
    for (answer, rest) in [(ODD, &b"\x81\x05Hello\xff\x00"[..]), (NOT_FOUND, b"")] {
        let mut client = capture.server.connect();
        client.send(RFC6455);
        client.send(rest);
        // The server sees the end of this direction, and may still answer.
        client.finish();
        assert_eq!(client.rest(), [answer.as_bytes(), rest].concat());
    }
    capture.stop();
    let names = capture.names();
    assert!(
        names[0].contains("-rfc6455-") && names[0].ends_with("-open.wire"),
        "{names:?}"
    );
    assert!(names[1].ends_with("-refused-404.wire"), "{names:?}");
    let fixtures = capture.fixtures();
    for (fixture, (answer, rest)) in fixtures
        .iter()
        .zip([(ODD, &b"\x81\x05Hello\xff\x00"[..]), (NOT_FOUND, b"")])
    {
        let transcript = &fixture.transcript;
        assert_eq!(said(transcript, false), [answer.as_bytes(), rest].concat());
        assert_eq!(said(transcript, true), [RFC6455.as_bytes(), rest].concat());
        assert!(
            note(transcript).contains("another server"),
            "{}",
            note(transcript)
        );
        assert!(transcript.header("source").unwrap().contains(&server));
    }
    // The replay shows the differences from Polysock.
    let directory = capture.directory.to_str().unwrap();
    let run = POLYSOCK.run(&["replay", directory], Input::Open);
    assert_eq!(run.code, Some(1));
    assert!(run.text().contains("101 Whatever"), "{}", run.text());
}

#[test]
fn an_unreachable_server_closes_the_client_and_a_stop_cuts_open_sessions() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut capture = Capture::start("nobody", &["--pass-through", &gone.to_string()]);
    let mut client = capture.server.connect();
    client.gone();
    let log = capture.stop();
    assert!(log.contains("cannot be reached"), "{log}");
    assert!(capture.names().is_empty());

    let server = POLYSOCK.echo(&[]);
    let address = server.address.to_string();
    let mut capture = Capture::start("open", &["--pass-through", &address]);
    let (mut client, _) = capture.server.ask(RFC6455);
    client.send(frame(0x81, "Hello"));
    client.expect(b"\x81\x05Hello");
    let before = Instant::now();
    capture.stop();
    assert!(
        before.elapsed() < Duration::from_secs(5),
        "it waits for nobody"
    );
    assert!(note(&capture.only()).contains("ends before the end of the connection"));
    capture.replays();
}
