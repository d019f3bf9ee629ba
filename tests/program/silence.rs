//! Upstreams that fall silent: their clients are closed.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use polysock_test_support::client::Client;
use polysock_test_support::frame::binary_header;
use polysock_test_support::opening::{HIXIE_75, HIXIE_76, HIXIE_76_BODY, HIXIE_76_DIGEST, RFC6455};
use polysock_test_support::server::Server;

use crate::POLYSOCK;

/// The ping interval in these tests.
const INTERVAL: Duration = Duration::from_secs(1);

/// The additional time that a busy machine may take.
const MARGIN: Duration = Duration::from_secs(2);

const PING: &[u8] = b"\x89\0";

const PONG: &[u8] = b"\x8a\x80\0\0\0\0";

const BAD_GATEWAY: &[u8] = b"\x88\x02\x03\xf6";

/// Starts a server that can be stopped, and a gateway to it with this scheme and these flags.
fn behind(scheme: &str, flags: &[&str]) -> (Server, Server) {
    let upstream = POLYSOCK.echo(&["--handshake-timeout", "10m", "--ping-interval", "none"]);
    let url = format!("{scheme}://{}", upstream.address);
    let pings = ["--ping-interval", "1s", "--protocols", "all"];
    let gateway = POLYSOCK.serve(&[&pings, flags, &[&url]].concat());
    (upstream, gateway)
}

/// Returns the bytes that a client receives after its upstream has stopped, without pings, and the
/// time. The client answers pings if `answers` is set, that is, not in the middle of a message.
fn told(client: &mut Client, answers: bool, stopped: Instant) -> (Vec<u8>, Duration) {
    let mut told = Vec::new();
    while !told.ends_with(BAD_GATEWAY) {
        let bytes = client.read_once();
        match &bytes[..] {
            [] => break,
            PING if answers => client.send(PONG),
            PING => {}
            _ => told.extend(bytes),
        }
    }
    (told, stopped.elapsed())
}

#[test]
fn a_websocket_upstream_that_stops_is_noticed_by_its_missing_pongs() {
    let (upstream, mut gateway) = behind("ws", &[]);
    let mut client = gateway.websocket();
    upstream.signal("STOP");
    let (told, took) = told(&mut client, true, Instant::now());
    assert!(told.ends_with(BAD_GATEWAY), "{told:02x?}");
    assert!(took < INTERVAL * 2 + MARGIN, "{took:?}");
    client.finish();
    gateway.log_line("code=1014");
    gateway.log_line("the connection to the upstream failed: ping was not answered");
}

#[test]
fn an_upstream_without_pings_that_stops_is_noticed_by_its_idle_timeout() {
    for scheme in ["ws+hixie76", "ws+hixie75", "tcp"] {
        let flags = ["--upstream-idle-timeout", "2s"];
        let (upstream, mut gateway) = behind(scheme, &flags);
        let mut client = gateway.websocket();
        upstream.signal("STOP");
        let (told, took) = told(&mut client, true, Instant::now());
        assert!(told.ends_with(BAD_GATEWAY), "{scheme}: {told:02x?}");
        assert!(took < INTERVAL * 2 + MARGIN, "{scheme}: {took:?}");
        gateway.log_line(
            "the connection to the upstream failed: nothing was received within the idle timeout",
        );
    }
}

#[test]
fn an_upstream_without_pings_that_stops_is_noticed_once_it_has_no_room() {
    for scheme in ["ws+hixie76", "tcp"] {
        let (upstream, mut gateway) = behind(scheme, &[]);
        let mut client = gateway.websocket();
        upstream.signal("STOP");
        // More than the transport buffers hold.
        client.send(endless_header(scheme));
        let mut stream = client.stream().try_clone().unwrap();
        let flood = thread::spawn(move || {
            let chunk = [b'x'; 1 << 16];
            while stream.write_all(&chunk).is_ok() {}
        });
        let (told, took) = told(&mut client, false, Instant::now());
        assert!(told.ends_with(BAD_GATEWAY), "{scheme}: {told:02x?}");
        assert!(took < INTERVAL * 2 + MARGIN, "{scheme}: {took:?}");
        gateway.log_line("the connection to the upstream failed: ");
        drop(gateway);
        flood.join().unwrap();
    }
}

/// Returns the header of an endless frame of the kind that the upstream accepts.
fn endless_header(scheme: &str) -> Vec<u8> {
    let mut header = binary_header(1 << 40);
    if scheme != "tcp" {
        header[0] = 0x81;
    }
    header
}

#[test]
fn clients_of_old_protocols_are_closed_as_well() {
    let (upstream, gateway) = behind("ws", &[]);
    let (mut hixie_75, _) = gateway.answers(HIXIE_75, 101);
    let (mut hixie_76, _) = gateway.answers([HIXIE_76.as_bytes(), HIXIE_76_BODY].concat(), 101);
    hixie_76.expect(HIXIE_76_DIGEST);
    upstream.signal("STOP");
    assert_eq!(hixie_75.rest(), b"");
    hixie_76.expect(b"\xff\0");
}

#[test]
fn an_upstream_that_only_answers_pings_is_kept() {
    let (_upstream, gateway) = behind("ws", &[]);
    let client = gateway.websocket();
    let mut stream = client.stream();
    let until = Instant::now() + INTERVAL * 4;
    let mut pings = Vec::new();
    while Instant::now() < until {
        let mut buffer = [0; 100];
        let count = stream.read(&mut buffer).unwrap();
        pings.extend_from_slice(&buffer[..count]);
        // The client answers the gateway's pings too.
        stream.write_all(PONG).unwrap();
    }
    assert!(pings.chunks(2).all(|ping| ping == PING), "{pings:02x?}");
}

#[test]
fn an_unreachable_upstream_costs_no_thread_and_no_warning_per_client() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    for host in ["localhost", "does-not-exist.invalid"] {
        let mut gateway = POLYSOCK.serve(&["--workers", "1", &format!("ws://{host}:{port}")]);
        let began = Instant::now();
        let mut clients: Vec<_> = (0..200).map(|_| gateway.connect()).collect();
        for client in &mut clients {
            client.send(RFC6455);
        }
        for client in &mut clients {
            let head = client.head();
            assert!(head.starts_with("HTTP/1.1 50"), "{head}");
        }
        // The threads of the program: main, log, signals, a worker, and a resolver.
        let threads = fs::read_dir(format!("/proc/{}/task", gateway.id())).unwrap();
        assert!(threads.count() <= 8);
        // One line for each client, and at most one warning a second.
        let log = gateway.stop();
        assert_eq!(log.matches("reject").count(), 200);
        let warnings = log.matches(" WARN ").count() as u64;
        assert!(
            (1..=began.elapsed().as_secs() + 2).contains(&warnings),
            "{log}"
        );
    }
}
