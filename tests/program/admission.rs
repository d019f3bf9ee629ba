//! Admission when there is no room for all clients, and the answers to the others.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::frame::{close, frame};
use polysock_test_support::opening::{
    HIXIE_75, HIXIE_76, HIXIE_76_BODY, RFC6455, assert_status, field, versioned, with,
};
use polysock_test_support::server::Server;
use polysock_test_support::{hostile, http2};
use socket2::{Domain, Socket, Type};

use crate::POLYSOCK;

/// Connects from this address of the machine.
fn connect_from(address: [u8; 4], to: SocketAddr) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::from(address)), 0);
    socket.bind(&address.into()).unwrap();
    socket.connect_timeout(&to.into(), PATIENCE).unwrap();
    Client::over(socket.into())
}

#[test]
fn silent_connections_do_not_block_other_clients() {
    let mut server = POLYSOCK.serve_under(&["--nofile=1024"], &["--app", "echo"]);
    let silent: Vec<_> = (0..1100).map(|_| server.connect()).collect();
    let came = Instant::now();
    let mut client = connect_from([127, 0, 0, 2], server.address);
    client.send(RFC6455);
    assert_status(&client.head(), 101);
    let took = came.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    let line = server.log_line("no room for connections");
    assert!(line.contains("handshakes="), "{line}");
    drop(silent);
}

#[test]
fn a_client_over_the_descriptor_limit_gets_503() {
    let mut server = POLYSOCK.serve_under(&["--nofile=1024"], &["--app", "echo"]);
    let (mut open, mut refused) = (Vec::new(), 0);
    for _ in 0..1100 {
        match server.ask(RFC6455) {
            (client, head) if head.starts_with("HTTP/1.1 101 ") => open.push(client),
            (_, head) => {
                assert_status(&head, 503);
                refused += 1;
            }
        }
    }
    assert_eq!((open.len(), refused), (896, 204));
    let line = server.log_line("no room for connections");
    assert!(line.contains("connections="), "{line}");
    // The slot of a closed connection is free for the next client.
    let mut leaving = open.pop().unwrap();
    leaving.send(close(1000));
    leaving.rest();
    drop(leaving);
    let until = Instant::now() + PATIENCE;
    while server.ask(RFC6455).1.starts_with("HTTP/1.1 503 ") {
        assert!(Instant::now() < until, "the place is not given back");
    }
    open[0].send(frame(0x81, "hi"));
    open[0].expect(b"\x81\x02hi");
}

#[test]
fn a_refused_client_gets_503_in_its_protocol() {
    let server = POLYSOCK.echo(&["--max-connections", "1"]);
    let _open = server.websocket();
    let hixie_76 = [HIXIE_76.as_bytes(), HIXIE_76_BODY].concat();
    for request in [
        HIXIE_75.as_bytes(),
        &hixie_76,
        versioned("4", "").as_bytes(),
        versioned("8", "").as_bytes(),
        RFC6455.as_bytes(),
        // Unknown versions, ordinary requests, and a request that is never complete.
        versioned("99", "").as_bytes(),
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nHost:",
    ] {
        let (mut client, head) = server.answers(request, 503);
        assert_eq!(field(&head, "Retry-After"), Some("5"));
        assert_eq!(field(&head, "Connection"), Some("close"));
        assert_eq!(client.rest(), b"too many connections\n");
    }
    for (first, answer) in [
        (&http2::preface()[..], goaway("too many connections")),
        (b"", vec![]),
        (b"GE", vec![]),
        (b"\x16\x03\x01\x02\x00\x01", vec![]),
        (b"<policy-file-request/>\0", vec![]),
    ] {
        let mut client = server.connect();
        client.send(first);
        assert_eq!(client.rest(), answer, "{first:?}");
    }
}

/// The SETTINGS frame of a server, followed by GOAWAY with ENHANCE_YOUR_CALM.
fn goaway(reason: &str) -> Vec<u8> {
    let code = hostile::ENHANCE_YOUR_CALM.to_be_bytes();
    let goaway = [&[0; 4], &code[..], reason.as_bytes()].concat();
    [
        http2::http2_frame(hostile::SETTINGS, 0, 0, &[]),
        http2::http2_frame(hostile::GOAWAY, 0, 0, &goaway),
    ]
    .concat()
}

/// Starts a server with one worker. Two workers would each accept connections in their own order.
fn one_worker(arguments: &[&str]) -> Server {
    let patient = ["--workers", "1", "--handshake-timeout", "10m"];
    POLYSOCK.echo(&[&patient, arguments].concat())
}

#[test]
fn the_oldest_connection_without_a_complete_request_is_displaced_first() {
    let server = one_worker(&["--max-handshakes", "2"]);
    let mut open = server.websocket();
    let mut half = server.connect();
    half.send("GET / HTTP/1.1\r\nHost:");
    let mut silent = server.connect();
    let mut newest = server.connect();
    assert_status(&half.head(), 503);
    half.gone();
    let _third = server.connect();
    silent.gone();
    newest.send(RFC6455);
    assert_status(&newest.head(), 101);
    open.send(frame(0x81, "hi"));
    open.expect(b"\x81\x02hi");
}

#[test]
fn a_preface_of_http2_is_no_request() {
    let server = one_worker(&["--max-handshakes", "1"]);
    let mut idle = server.connect();
    idle.send(http2::preface());
    let mut next = server.connect();
    idle.gone();
    next.send(RFC6455);
    assert_status(&next.head(), 101);
}

#[test]
fn websockets_on_streams_count_as_connections() {
    http2::run(async {
        let server = POLYSOCK.echo(&["--max-connections", "3"]);
        let mut peer = http2::Peer::connect(server.address).await;
        let mut open = vec![peer.websocket().await, peer.websocket().await];
        let version = ("sec-websocket-version", "13");
        let (status, fields, reason) = peer.refused("websocket", &[version]).await;
        assert_eq!((status, &*reason), (503, "too many connections\n"));
        assert_eq!(fields["retry-after"], "5");
        // Ordinary requests need no slot.
        assert_ne!(peer.ask("GET", "/").await.0.status(), 503);
        let mut leaving = open.pop().unwrap();
        leaving.send(&close(1000)).await;
        leaving.expect(b"\x88\x02\x03\xe8").await;
        leaving.ended().await;
        drop(leaving);
        let until = Instant::now() + PATIENCE;
        loop {
            let (response, _) = peer.open("websocket", &[version]).await;
            if response.status() == 200 {
                break;
            }
            assert!(Instant::now() < until, "the place is not given back");
        }
    });
}

#[test]
fn loopback_clients_are_exempt_from_the_limit_per_address() {
    let server = POLYSOCK.echo(&["--max-connections-per-address", "1"]);
    let _open = [server.websocket(), server.websocket()];
}

#[test]
fn connections_that_are_not_opened_are_counted_once_a_second() {
    let mut server = POLYSOCK.echo(&["--handshake-timeout", "500ms"]);
    let mut silent: Vec<_> = (0..100).map(|_| server.connect()).collect();
    let mut slow: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for client in &mut slow {
        client.send("GET / HTTP/1.1\r\nHost:");
    }
    silent.iter_mut().chain(&mut slow).for_each(Client::gone);
    let mut tls = server.connect();
    tls.send(b"\x16\x03\x01\x02\x00\x01");
    tls.gone();
    let mut half = server.connect();
    half.send("GET /");
    drop(half);
    // A connection that is closed without a byte, such as a port check, leaves no trace.
    drop(server.connect());
    drop(server.websocket());
    server.log_line(" close ");
    let log = server.stop();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("not opened"))
        .collect();
    assert!(lines.len() <= 4, "{log}");
    let total = |name: &str| -> u64 {
        let fields = lines.iter().flat_map(|line| line.split_whitespace());
        let values = fields.filter_map(|field| field.strip_prefix(name));
        values.map(|value| value.parse::<u64>().unwrap()).sum()
    };
    let counts = ["silent=", "late=", "tls=", "gone=", "foreign="].map(total);
    assert_eq!(counts, [100, 100, 1, 1, 0], "{log}");
}

#[test]
fn failed_accepts_are_logged_once_a_second() {
    const WATCHED: Duration = Duration::from_secs(3);
    let unlimited = ["--app", "echo", "--max-connections", "none"];
    let mut server = POLYSOCK.serve_under(&["--nofile=48"], &unlimited);
    let silent: Vec<_> = (0..100)
        .map(|_| TcpStream::connect_timeout(&server.address, PATIENCE).unwrap())
        .collect();
    server.log_line("cannot accept connections");
    thread::sleep(WATCHED);
    server.signal("TERM");
    let (_, log) = server.ends_within(PATIENCE);
    assert!(
        log.contains("the file descriptors allow 24 connections"),
        "{log}"
    );
    let lines = log.matches("cannot accept connections").count();
    assert!((2..=5).contains(&lines), "{log}");
    assert!(log.contains("times="), "{log}");
    drop(silent);
}

#[test]
fn the_limit_of_descriptors_is_raised() {
    // A process that is started with a low limit has room for more clients.
    let server = POLYSOCK.serve_under(&["--nofile=64:512"], &["--app", "echo"]);
    let open: Vec<_> = (0..300).map(|_| server.websocket()).collect();
    drop(open);
}

#[test]
fn a_denied_client_is_refused_and_counted() {
    let mut server = POLYSOCK.echo(&["--deny", "127.0.0.2,10.0.0.0/8", "--forwarded", "127.0.0.1"]);
    drop(server.websocket());
    connect_from([127, 0, 0, 2], server.address).gone();
    let line = server.log_line("not opened");
    assert!(line.contains("denied=1"), "{line}");
    let request = with(RFC6455, "X-Forwarded-For: 10.1.2.3\r\n");
    let (mut client, head) = server.answers(request, 403);
    let said = head + &String::from_utf8_lossy(&client.rest());
    assert!(
        said.ends_with("\r\n\r\nthis client is not served here\n"),
        "{said}"
    );
    let line = server.log_line("refuse");
    assert!(
        line.contains("peer=10.1.2.3") && line.contains("`deny` of the listener"),
        "{line}"
    );
    let server = POLYSOCK.echo(&["--allow", "127.0.0.2"]);
    server.connect().gone();
    let mut client = connect_from([127, 0, 0, 2], server.address);
    client.send(RFC6455);
    assert_status(&client.head(), 101);
}

#[test]
fn a_client_over_the_rate_limit_is_refused_and_counted() {
    for (flag, reason, count) in [
        (
            "--max-connections-per-second",
            "too many connections a second",
            "fast=",
        ),
        (
            "--max-handshakes-per-second",
            "too many handshakes a second",
            "fast_handshakes=",
        ),
    ] {
        let mut server = POLYSOCK.echo(&[flag, "2"]);
        let until = Instant::now() + PATIENCE;
        let (mut client, head) = loop {
            assert!(Instant::now() < until, "nobody is refused");
            let answer = server.ask(RFC6455);
            if !answer.1.starts_with("HTTP/1.1 101 ") {
                break answer;
            }
        };
        assert_status(&head, 429);
        assert_eq!(client.rest(), format!("{reason}\n").as_bytes());
        let line = server.log_line("no room for connections");
        assert!(line.contains(count), "{line}");
    }
}
