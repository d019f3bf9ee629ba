//! Memory: the budget of all connections, and the closes when it is exceeded.

use std::io::Write;
use std::process::Command;
use std::time::Instant;

use flate2::{Compress, FlushCompress};
use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::frame::{binary_header, frame, unmasked};
use polysock_test_support::opening::{RFC6455, versioned};
use polysock_test_support::server::Server;

use crate::POLYSOCK;

const MIB: usize = 1 << 20;

/// The first fragment of a message, which inflates to 63 MiB.
fn unfinished_bomb() -> Vec<u8> {
    let mut stream = Compress::new(flate2::Compression::best(), false);
    let mut deflated = Vec::with_capacity(MIB);
    let zeros = vec![0; MIB];
    for _ in 0..63 {
        let flush = FlushCompress::None;
        stream.compress_vec(&zeros, &mut deflated, flush).unwrap();
    }
    let flush = FlushCompress::Sync;
    stream.compress_vec(&[], &mut deflated, flush).unwrap();
    frame(0x42, deflated)
}

fn compressing(server: &Server) -> Client {
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    server.answers(versioned("13", offer), 101).0
}

/// Has twenty clients begin a message of 63 MiB that never ends. Returns the peak memory of the
/// server above its initial memory.
fn attack(server: &mut Server) -> usize {
    let (before, _) = server.memory();
    let bomb = unfinished_bomb();
    let (mut client, mut other) = (server.websocket(), server.websocket());
    let mut attackers: Vec<Client> = (0..20).map(|_| compressing(server)).collect();
    for attacker in &mut attackers {
        attacker.send(&bomb);
    }
    server.log_line("memory is short");
    // Other clients are served.
    client.send(frame(0x81, "Hello"));
    other.expect(unmasked(0x81, "Hello"));
    let closed = server.log_line("code=1013");
    assert!(closed.contains("by=\"server\""), "{closed}");
    // New clients are admitted once the closed connections have ended.
    let asked = Instant::now();
    while !server.ask(RFC6455).1.starts_with("HTTP/1.1 101") {
        assert!(asked.elapsed() < PATIENCE, "nobody is let in");
    }
    let (_, highest) = server.memory();
    highest - before
}

#[test]
fn unfinished_messages_stay_within_the_budget() {
    let limits = ["--max-message", "64MiB", "--max-memory", "256MiB"];
    let mut server = POLYSOCK.serve(&[&["--app", "broadcast"], &limits[..]].concat());
    let grown = attack(&mut server);
    // One more message for each of two workers, and half as much again while a buffer grows.
    assert!(grown < 420 * MIB, "{} MiB", grown / MIB);
}

#[test]
fn a_server_with_little_address_space_is_not_aborted() {
    let mut command = Command::new("prlimit");
    command.arg("--as=734003200");
    command.arg(POLYSOCK.command().get_program());
    command.args(["serve", "--listen", "127.0.0.1:0", "--app", "broadcast"]);
    command.args(["--max-message", "64MiB", "--workers", "2"]);
    let mut server = Server::start(&mut command, PATIENCE).expect("it starts");
    attack(&mut server);
    assert_eq!(server.stop().matches("panicked").count(), 0);
}

#[test]
fn applications_take_messages_of_a_mebibyte_and_the_chat_of_16_kib() {
    let text = "x".repeat(MIB);
    for (app, most) in [("echo", MIB), ("broadcast", MIB), ("chat", 16 << 10)] {
        let mut server = POLYSOCK.serve(&["--app", app]);
        let mut client = server.websocket();
        // The header is enough.
        client.send(binary_header(most + 1));
        server.log_line("code=1009");
        let mut client = server.websocket();
        client.send(frame(0x81, &text[..most]));
        client.send(frame(0x88, 1000_u16.to_be_bytes()));
        server.log_line("code=1000");
    }
}

#[test]
fn a_client_that_sends_too_many_messages_is_closed() {
    let mut server = POLYSOCK.echo(&["--max-messages-per-second", "100"]);
    let mut client = server.websocket();
    client.send(frame(0x81, "Hello").repeat(1000));
    let closed = server.log_line("close ");
    assert!(closed.contains("code=1008"), "{closed}");
}

#[test]
fn a_client_that_floods_with_pings_is_closed() {
    let mut server = POLYSOCK.echo(&[]);
    let client = server.websocket();
    // The server closes the connection in the middle of the pings.
    let _ = client.stream().write_all(&frame(0x89, "").repeat(100_000));
    let closed = server.log_line("close ");
    assert!(closed.contains("code=1008"), "{closed}");
}
