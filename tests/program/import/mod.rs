//! `polysock import`: sessions of real clients, captured by tcpdump, replay unchanged. So does the
//! rest of a session if packets are lost, repeated, out of order or cut.

mod captures;
mod sessions;
mod skipped;
mod websockify;

use std::fs;
use std::path::PathBuf;

use polysock::protocols::PROTOCOLS;
use polysock_instrument::transcript::{Fixture, Step, expand};
use polysock_instrument::{Explanation, ServerSettings};
use polysock_test_support::packets::{ACK, Connection, FIN, From};
use polysock_test_support::program::Input;

use crate::POLYSOCK;

/// The result of an import.
struct Imported {
    directory: PathBuf,
    files: Vec<PathBuf>,
    stderr: String,
    code: Option<i32>,
}

impl Imported {
    /// Imports a file of this name and content.
    fn of(test: &str, name: &str, bytes: &[u8], flags: &[&str]) -> Self {
        let directory = POLYSOCK.directory(&format!("import/{test}"));
        let file = directory.join(name);
        fs::write(&file, bytes).unwrap();
        let out = directory.join("out");
        let arguments = [
            "import",
            file.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ];
        let run = POLYSOCK.run(&[&arguments[..], flags].concat(), Input::Open);
        Self {
            files: run.text().lines().map(PathBuf::from).collect(),
            directory: out,
            stderr: run.stderr,
            code: run.code,
        }
    }

    fn names(&self) -> Vec<&str> {
        let names = self.files.iter().map(|path| path.file_name().unwrap());
        names.map(|name| name.to_str().unwrap()).collect()
    }

    fn fixture(&self, index: usize) -> Fixture {
        Fixture::read(&self.files[index]).unwrap()
    }

    /// Asserts that all written sessions replay, cut in several ways.
    fn assert_replays(&self) {
        for split in ["as-recorded", "whole", "1", "random:7"] {
            let directory = self.directory.to_str().unwrap();
            let run = POLYSOCK.run(&["replay", "--split", split, directory], Input::Open);
            assert_eq!(run.code, Some(0), "{split}: {}{}", run.text(), run.stderr);
        }
    }
}

/// Returns the bytes that the client sends, and the events that the application sees.
fn told(fixture: &Fixture) -> (Vec<u8>, Vec<String>) {
    let (mut said, mut seen) = (Vec::new(), Vec::new());
    for step in &fixture.transcript.steps {
        match step {
            Step::Client(line) => said.extend(expand(line.parts())),
            Step::Sees(_) | Step::Does(_) => seen.push(step.to_string()),
            _ => {}
        }
    }
    (said, seen)
}

const HEAD: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Returns Polysock's answer to an opening handshake.
fn answer(head: &str) -> Vec<u8> {
    let mut settings = ServerSettings::default();
    settings.port.protocols = PROTOCOLS.to_vec();
    Explanation::of(head.as_bytes(), &settings).answer.to_vec()
}

fn connection(port: u16) -> Connection {
    Connection::open(
        &format!("127.0.0.1:{port}"),
        "127.0.0.1:80",
        [u32::MAX - 50, 9],
    )
}

/// A session with an echo: two messages and the close.
fn echo(head: &str) -> Connection {
    let mut connection = connection(50000);
    connection.say_in(From::Client, head.as_bytes(), 60);
    connection.say(From::Server, &answer(head));
    for (frame, echo) in [
        (&b"\x81\x82\0\0\0\0hi"[..], &b"\x81\x02hi"[..]),
        (b"\x82\x83\0\0\0\0\x01\x02\x03", b"\x82\x03\x01\x02\x03"),
        (b"\x88\x82\0\0\0\0\x03\xe8", b"\x88\x02\x03\xe8"),
    ] {
        connection.say_in(From::Client, frame, 5);
        connection.say(From::Server, echo);
    }
    connection.segment(From::Server, FIN | ACK, b"");
    connection.segment(From::Client, FIN | ACK, b"");
    connection
}
