//! Many clients, slow clients and hostile ones.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use crate::support::server::Server;

/// Sends "hi" and expects it back.
fn assert_echoes(stream: &mut std::net::TcpStream) {
    stream.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\x81\x02hi");
}

#[test]
fn ten_thousand_idle_connections_are_held() {
    const COUNT: usize = 10_000;
    // Each process needs a descriptor a connection; where that is not to be had, fewer do.
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
    let server = Server::start(&["--app", "echo"]);
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
    let server = Server::start(&["--app", "echo", "--handshake-timeout", "1s"]);
    let began = Instant::now();
    let mut silent: Vec<_> = (0..50).map(|_| server.stream()).collect();
    let mut slow: Vec<_> = (0..200).map(|_| server.stream()).collect();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nX: ";
    for client in &mut slow {
        client.write_all(request).unwrap();
    }
    assert_echoes(&mut server.websocket());
    for client in &mut slow {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
            "{answer:?}"
        );
    }
    for client in &mut silent {
        assert_eq!(
            client.read(&mut [0; 16]).unwrap(),
            0,
            "closed without a word"
        );
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(1), "cut after {took:?} already");
    assert!(took < Duration::from_secs(6), "cut only after {took:?}");
}

#[test]
fn the_eight_bytes_of_hixie_76_have_a_deadline_too() {
    let server = Server::start(&["--app", "echo", "--handshake-timeout", "500ms"]);
    let mut client = server.stream();
    client
        .write_all(
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
              Origin: http://h\r\nSec-WebSocket-Key1: 1 2\r\nSec-WebSocket-Key2: 3 3\r\n\r\n",
        )
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "the head only: {answer}");
}

#[test]
fn a_thousand_connections_of_random_bytes_leave_the_server_serving() {
    let server = Server::start(&["--app", "echo", "--protocols", "all", "--flash-policy"]);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        // xorshift64: any bytes will do, as long as they are the same each time.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for number in 0..1000 {
        // Every other connection is a WebSocket before it goes mad.
        let mut client = if number % 2 == 0 {
            server.stream()
        } else {
            server.websocket()
        };
        let len = (random() % 4000) as usize;
        let bytes: Vec<u8> = (0..len).map(|_| random().to_le_bytes()[4]).collect();
        match client.write_all(&bytes) {
            Ok(()) => {}
            Err(error)
                if [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind()) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_echoes(&mut server.websocket());
}

#[test]
fn a_client_that_pings_and_never_reads_is_not_answered_without_end() {
    let server = Server::start(&["--app", "echo"]);
    let (before, _) = server.memory();
    let mut client = server.websocket();
    client
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let pings = b"\x89\xfd\0\0\0\0"
        .iter()
        .copied()
        .chain([7; 125])
        .collect::<Vec<u8>>()
        .repeat(500);
    let mut sent = 0;
    // Either the answers fill the socket and we are not read any more, or enough has been sent.
    while sent < 256 * 1024 * 1024 {
        match client.write(&pings) {
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
fn one_that_reads_only_when_a_whole_message_is_sent_gets_it_back() {
    const LEN: usize = 32 * 1024 * 1024;
    let server = Server::start(&["--app", "echo"]);
    let mut client = server.websocket();
    let payload: Vec<u8> = (0..=250).cycle().take(LEN).collect();
    client.write_all(&binary_header(LEN)).unwrap();
    client.write_all(&payload).unwrap();
    let mut echoed = Vec::new();
    loop {
        let mut head = [0; 2];
        client.read_exact(&mut head).unwrap();
        let mut len = [0; 8];
        match head[1] {
            126 => client.read_exact(&mut len[6..]).unwrap(),
            127 => client.read_exact(&mut len).unwrap(),
            short => len[7] = short,
        }
        assert_eq!(head[0] & 0x7f, if echoed.is_empty() { 2 } else { 0 });
        let frame = (&mut client).take(u64::from_be_bytes(len));
        std::io::copy(&mut { frame }, &mut echoed).unwrap();
        if head[0] & 0x80 != 0 {
            break;
        }
    }
    assert!(echoed == payload, "it came back changed");
}

#[test]
fn one_that_sends_messages_and_never_reads_is_held_back() {
    const LEN: usize = 1024 * 1024;
    let server = Server::start(&["--app", "echo"]);
    let (before, _) = server.memory();
    let mut client = server.websocket();
    let second = Some(Duration::from_secs(1));
    client.set_write_timeout(second).unwrap();
    let message = [binary_header(LEN), vec![7; LEN]].concat();
    let sent = (0..256).take_while(|_| client.write_all(&message).is_ok());
    let sent = sent.count();
    assert!(sent < 256, "it was never held back");
    let (_, highest) = server.memory();
    let growth = highest.saturating_sub(before);
    assert!(growth < 8 * LEN, "grew by {growth} bytes after {sent} MiB");
    assert_echoes(&mut server.websocket());
}

/// The header of a masked frame, whose mask changes nothing.
fn binary_header(len: usize) -> Vec<u8> {
    let len = u64::try_from(len).unwrap().to_be_bytes();
    [&[0x82, 0xff][..], &len, &[0; 4]].concat()
}
