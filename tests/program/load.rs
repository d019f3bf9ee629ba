//! Many clients, slow clients and hostile clients.

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use polysock_test_support::alone::alone;
use polysock_test_support::client::Client;
use polysock_test_support::frame::{binary_header, frame};
use polysock_test_support::opening::HIXIE_76;

use crate::POLYSOCK;

/// Sends "hi" and expects it back.
fn assert_echoes(client: &mut Client) {
    client.send(frame(0x81, "hi"));
    client.expect(b"\x81\x02hi");
}

#[test]
fn ten_thousand_idle_connections_are_held() {
    // The number of descriptors of a process is limited, and other tests need some.
    let name = "load::ten_thousand_idle_connections_are_held";
    alone(name, hold_ten_thousand);
}

fn hold_ten_thousand() {
    const COUNT: usize = 10_000;
    // Each process needs one descriptor per connection. With a lower limit, fewer connections are
    // tested.
    let limit = std::fs::read_to_string("/proc/self/limits").unwrap();
    let limit = limit
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let limit: usize = limit
        .split_whitespace()
        .nth(3)
        .unwrap()
        .parse()
        .unwrap_or(usize::MAX);
    let count = COUNT.min(limit.saturating_sub(100));
    if count < COUNT {
        eprintln!("only {count} connections: the limit of open files is {limit}");
    }
    let server = POLYSOCK.serve(&["--app", "echo"]);
    assert_echoes(&mut server.websocket());
    let (before, _) = server.memory();
    let mut clients: Vec<_> = (0..count).map(|_| server.websocket()).collect();
    for client in &mut clients {
        assert_echoes(client);
    }
    let (after, _) = server.memory();
    let each = after.saturating_sub(before) / count;
    assert!(each < 4096, "an idle connection takes {each} bytes");
    assert_echoes(&mut clients[0]);
    assert_echoes(&mut clients[count - 1]);
}

#[test]
fn slow_heads_are_cut_at_the_deadline_and_fast_ones_served_meanwhile() {
    let server = POLYSOCK.serve(&["--app", "echo", "--handshake-timeout", "1s"]);
    let began = Instant::now();
    let mut silent: Vec<_> = (0..50).map(|_| server.connect()).collect();
    let mut slow: Vec<_> = (0..200).map(|_| server.connect()).collect();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nX: ";
    for client in &mut slow {
        client.send(request);
    }
    assert_echoes(&mut server.websocket());
    for client in &mut slow {
        let answer = String::from_utf8(client.rest()).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
            "{answer:?}"
        );
    }
    for client in &mut silent {
        assert_eq!(client.rest(), b"", "closed without a word");
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(1), "cut after {took:?} already");
    assert!(took < Duration::from_secs(6), "cut only after {took:?}");
}

#[test]
fn the_eight_bytes_of_hixie_76_have_a_deadline_too() {
    let server = POLYSOCK.serve(&["--app", "echo", "--handshake-timeout", "500ms"]);
    let (mut client, _) = server.answers(HIXIE_76, 101);
    assert_eq!(client.rest(), b"", "the head only");
}

#[test]
fn a_thousand_connections_of_random_bytes_leave_the_server_serving() {
    let server = POLYSOCK.serve(&["--app", "echo", "--protocols", "all", "--flash-policy"]);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        // xorshift64: any bytes are suitable if they are the same in each run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for number in 0..1000 {
        // Every other connection is a WebSocket before it sends garbage.
        let client = if number % 2 == 0 {
            server.connect()
        } else {
            server.websocket()
        };
        let len = (random() % 4000) as usize;
        let bytes: Vec<u8> = (0..len).map(|_| random().to_le_bytes()[4]).collect();
        match client.stream().write_all(&bytes) {
            Ok(()) => {}
            Err(error)
                if [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind()) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_echoes(&mut server.websocket());
}

#[test]
fn a_client_that_pings_and_never_reads_is_held_back() {
    let server = POLYSOCK.serve(&["--app", "echo"]);
    let (before, _) = server.memory();
    let client = server.websocket();
    let second = Some(Duration::from_secs(1));
    client.stream().set_write_timeout(second).unwrap();
    let pings = frame(0x89, [7; 125]).repeat(500);
    let mut sent = 0;
    // Either the answers fill the socket and the server stops reading, or enough has been sent.
    while sent < 256 * 1024 * 1024 {
        match client.stream().write(&pings) {
            Ok(count) => sent += count,
            Err(_) => break,
        }
    }
    let (_, highest) = server.memory();
    let growth = highest.saturating_sub(before);
    assert!(
        growth < 8 * 1024 * 1024,
        "resident memory grew by {growth} bytes after {sent} sent"
    );
    assert_echoes(&mut server.websocket());
}

#[test]
fn a_client_that_reads_only_after_sending_a_whole_message_gets_it_back() {
    const LEN: usize = 32 * 1024 * 1024;
    let server = POLYSOCK.serve(&["--app", "echo", "--max-message", "64MiB"]);
    let mut client = server.websocket();
    let payload: Vec<u8> = (0..=250).cycle().take(LEN).collect();
    client.send(binary_header(LEN));
    client.send(&payload);
    let mut echoed = Vec::new();
    loop {
        let head = client.take(2);
        let number = |len: usize, byte: &u8| len << 8 | usize::from(*byte);
        let len = match head[1] {
            126 => client.take(2).iter().fold(0, number),
            127 => client.take(8).iter().fold(0, number),
            short => usize::from(short),
        };
        assert_eq!(head[0] & 0x7f, if echoed.is_empty() { 2 } else { 0 });
        echoed.extend(client.take(len));
        if head[0] & 0x80 != 0 {
            break;
        }
    }
    assert!(echoed == payload, "it came back changed");
}

#[test]
fn a_client_that_sends_messages_and_never_reads_is_held_back() {
    const LEN: usize = 1024 * 1024;
    let server = POLYSOCK.serve(&["--app", "echo"]);
    let (before, _) = server.memory();
    let client = server.websocket();
    let second = Some(Duration::from_secs(1));
    client.stream().set_write_timeout(second).unwrap();
    let message = [binary_header(LEN), vec![7; LEN]].concat();
    let sent = (0..256).take_while(|_| client.stream().write_all(&message).is_ok());
    let sent = sent.count();
    assert!(sent < 256, "it was never held back");
    let (_, highest) = server.memory();
    let growth = highest.saturating_sub(before);
    assert!(growth < 8 * LEN, "grew by {growth} bytes after {sent} MiB");
    assert_echoes(&mut server.websocket());
}
