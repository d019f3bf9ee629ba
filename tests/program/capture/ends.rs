//! The files of a capture that ends or is killed.

use std::io::{Read, Write};
use std::thread;

use polysock::protocols::CloseCode;
use polysock_instrument::transcript::{Action, Fixture, Observation, Step};
use polysock_test_support::PATIENCE;
use polysock_test_support::frame::{close, frame};
use polysock_test_support::opening::RFC6455;

use super::Capture;

#[test]
fn a_killed_capture_has_lost_no_session_that_had_ended() {
    const ENDED: usize = 20;
    let mut capture = Capture::start("killed", &[]);
    let mut open = Vec::new();
    for _ in 0..ENDED {
        let (client, _) = capture.server.ask(RFC6455);
        open.push(client);
        let (mut client, _) = capture.server.ask(RFC6455);
        client.send(frame(0x81, "x".repeat(10_000)));
        client.take(10_004);
        client.send(close(1000));
        client.rest();
    }
    for _ in 0..ENDED {
        capture.server.log_line("INFO captured");
    }
    capture.server.signal("KILL");
    assert_eq!(capture.server.ends_within(PATIENCE).0, None);
    assert_eq!(capture.fixtures().len(), ENDED);
    capture.replays();
}

#[test]
fn a_capture_that_is_killed_while_it_writes_leaves_only_whole_files() {
    for round in 0..5 {
        let mut capture = Capture::start(&format!("killed-{round}"), &[]);
        let address = capture.server.address;
        let clients: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(move || -> std::io::Result<()> {
                    loop {
                        let mut client = std::net::TcpStream::connect(address)?;
                        client.write_all(RFC6455.as_bytes())?;
                        client.write_all(&frame(0x81, "x".repeat(5_000)))?;
                        client.write_all(&close(1000))?;
                        client.read_to_end(&mut Vec::new())?;
                    }
                })
            })
            .collect();
        for _ in 0..(3 + round * 7) {
            capture.server.log_line("INFO captured");
        }
        capture.server.signal("KILL");
        let (_, log) = capture.server.ends_within(PATIENCE);
        for client in clients {
            assert!(client.join().unwrap().is_err(), "the server is gone");
        }
        let (whole, parts): (Vec<_>, Vec<_>) = capture
            .names()
            .into_iter()
            .partition(|name| name.ends_with(".wire"));
        assert!(parts.len() <= 1, "{parts:?}");
        assert!(whole.len() >= log.matches("INFO captured").count(), "{log}");
        for name in whole {
            let fixture = Fixture::read(&capture.directory.join(&name)).unwrap();
            let last = Step::Sees(Observation::Close(Some(
                CloseCode::new(1000).unwrap().into(),
            )));
            assert!(fixture.transcript.steps.contains(&last), "{name}");
        }
    }
}

#[test]
fn sigterm_completes_the_open_sessions() {
    let mut capture = Capture::start("finished", &[]);
    let mut half = capture.server.connect();
    half.send("GET / HTTP/1.1\r\nHost:");
    let silent = capture.server.connect();
    let (mut client, _) = capture.server.ask(RFC6455);
    client.send(frame(0x81, "Hello"));
    client.expect(b"\x81\x05Hello");
    capture.server.signal("TERM");
    // A close with 1001, and its answer.
    client.expect(b"\x88\x02\x03\xe9");
    client.send(close(1001));
    client.gone();
    half.gone();
    drop((client, silent));
    let (code, log) = capture.server.ends_within(PATIENCE);
    assert_eq!(code, Some(0), "{log}");
    let fixtures = capture.fixtures();
    assert_eq!(fixtures.len(), 2, "{:?}", capture.names());
    let closes = |fixture: &Fixture| {
        let steps = &fixture.transcript.steps;
        steps.contains(&Step::Does(Action::Close(Some(
            CloseCode::GOING_AWAY.into(),
        ))))
    };
    assert_eq!(fixtures.iter().filter(|fixture| closes(fixture)).count(), 1);
    capture.replays();
}
