//! SIGTERM, SIGINT and SIGQUIT: every client gets the close of its protocol, the exit is not
//! delayed beyond its limits, and the exit code reports the outcome of the connections.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::frame::frame;
use polysock_test_support::opening::{
    HIXIE_75, HIXIE_76, HIXIE_76_BODY, HIXIE_76_DIGEST, RFC6455, versioned, with,
};
use polysock_test_support::process;
use polysock_test_support::server::Server;

use crate::POLYSOCK;

const GOING_AWAY: &[u8] = b"\x88\x02\x03\xe9";

/// A client in a protocol, its expected close, and its answer.
struct Visitor {
    protocol: &'static str,
    client: Client,
    farewell: &'static [u8],
    /// The answer to the close. `None` if the client only disconnects.
    answer: Option<Vec<u8>>,
}

impl Visitor {
    /// Waits for the close, and answers.
    fn take_leave(&mut self) {
        self.client.expect(self.farewell);
        if self.farewell.is_empty() {
            // Without a closing handshake, the end of the stream is the close.
            assert_eq!(self.client.rest(), b"", "{}", self.protocol);
        }
        if let Some(answer) = &self.answer {
            self.client.send(answer);
        }
    }
}

/// A protocol, its opening request, its expected close, and the answer.
pub(crate) struct Kind {
    pub(crate) protocol: &'static str,
    pub(crate) request: String,
    /// True if the request has the keys of hixie-76.
    pub(crate) is_keyed: bool,
    pub(crate) farewell: &'static [u8],
    pub(crate) answer: Option<Vec<u8>>,
}

/// Returns all kinds of clients.
pub(crate) fn kinds() -> Vec<Kind> {
    let mut kinds = Vec::new();
    let mut add = |protocol, request: String, farewell, answer| {
        kinds.push(Kind {
            protocol,
            is_keyed: request.contains("Key1"),
            request,
            farewell,
            answer,
        });
    };
    add("hixie-75", HIXIE_75.to_owned(), &b""[..], None);
    let bare = Some(b"\xff\0".to_vec());
    add("hixie-76", HIXIE_76.to_owned(), b"\xff\0", bare);
    for draft in ["1", "3"] {
        let request = with(HIXIE_76, &format!("Sec-WebSocket-Draft: {draft}\r\n"));
        add("hybi-01, 03", request, b"\x01\0", Some(b"\x01\0".to_vec()));
    }
    // The mask of hybi-04 is a hash, and a client may disconnect without an answer.
    add("hybi-04", versioned("4", ""), b"\x81\0", None);
    let letter = Some(b"\0\0\0\0\x81\x01C".to_vec());
    add("hybi-05", versioned("5", ""), b"\x81\x01S", letter);
    let code = Some(b"\0\0\0\0\x81\x02\x03\xe9".to_vec());
    add("hybi-06", versioned("6", ""), b"\x81\x02\x03\xe9", code);
    for version in ["7", "8", "13"] {
        let code = Some(frame(0x88, b"\x03\xe9"));
        add("hybi-07 to 13", versioned(version, ""), GOING_AWAY, code);
    }
    kinds
}

/// Opens one client in each protocol.
fn visitors(server: &Server) -> Vec<Visitor> {
    let visitor = |kind: Kind| Visitor {
        protocol: kind.protocol,
        client: match kind.is_keyed {
            true => keyed(server, &kind.request),
            false => accepted(server, &kind.request),
        },
        farewell: kind.farewell,
        answer: kind.answer,
    };
    kinds().into_iter().map(visitor).collect()
}

#[track_caller]
fn accepted(server: &Server, request: impl AsRef<[u8]>) -> Client {
    let (client, head) = server.ask(request);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    client
}

#[track_caller]
fn keyed(server: &Server, request: &str) -> Client {
    let mut client = accepted(server, [request.as_bytes(), HIXIE_76_BODY].concat());
    client.expect(HIXIE_76_DIGEST);
    client
}

/// Asserts the exit code of a server while its clients are still open and before its deadlines.
#[track_caller]
fn assert_exit(mut server: Server, expected: i32) -> String {
    let (code, log) = server.ends_within(PATIENCE);
    assert_eq!(code, Some(expected), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    log
}

#[test]
fn closes_each_client_in_its_protocol() {
    for signal in ["TERM", "INT", "QUIT"] {
        let server = POLYSOCK.echo(&["--close-timeout", "10m", "--shutdown-timeout", "10m"]);
        let visitors = visitors(&server);
        server.signal(signal);
        for mut visitor in visitors {
            visitor.take_leave();
            if visitor.answer.is_some() {
                let rest = visitor.client.rest();
                assert_eq!(rest, b"", "{} on SIG{signal}", visitor.protocol);
            }
        }
        assert_exit(server, 0);
    }
}

#[test]
fn writes_a_line_for_each_close() {
    let server = POLYSOCK.echo(&[]);
    let visitors = visitors(&server);
    let count = visitors.len();
    server.signal("TERM");
    for mut visitor in visitors {
        visitor.take_leave();
    }
    let log = assert_exit(server, 0);
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains(" close "))
        .collect();
    assert_eq!(lines.len(), count, "{log}");
    for line in lines {
        assert!(line.contains("code=1001"), "{line}");
        assert!(line.contains("by=\"server\""), "{line}");
    }
}

#[test]
fn answers_messages_before_the_close_first() {
    let server = POLYSOCK.echo(&[]);
    let mut client = accepted(&server, RFC6455);
    client.send(frame(0x81, "Hello"));
    client.expect(b"\x81\x05Hello");
    server.signal("TERM");
    client.expect(GOING_AWAY);
    client.send(frame(0x88, b"\x03\xe9"));
    assert_eq!(client.rest(), b"");
    assert_exit(server, 0);
}

#[test]
fn ends_immediately_without_clients() {
    for signal in ["TERM", "INT", "QUIT"] {
        let server = POLYSOCK.echo(&["--shutdown-timeout", "10m"]);
        server.signal(signal);
        assert_exit(server, 0);
    }
}

#[test]
fn ends_immediately_on_a_unix_socket() {
    let path = POLYSOCK.directory("shutdown-unix").join("socket");
    let unix = format!("unix:{}", path.display());
    let mut server = POLYSOCK.echo(&["--listen", &unix, "--shutdown-timeout", "10m"]);
    server.log_line("listening on unix:");
    assert!(path.exists());
    server.signal("TERM");
    assert_exit(server, 0);
    assert!(!path.exists());
}

#[test]
fn closes_in_the_middle_of_a_fragmented_message() {
    let server = POLYSOCK.echo(&["--close-timeout", "10m", "--shutdown-timeout", "10m"]);
    let mut client = accepted(&server, RFC6455);
    // The echo of the first message shows that the fragment after it has been read too.
    client.send([frame(0x81, "whole"), frame(0x01, "half of it")].concat());
    client.expect(b"\x81\x05whole");
    server.signal("TERM");
    client.expect(GOING_AWAY);
    // A client may finish its message before it answers the close.
    client.send([frame(0x80, " and the rest"), frame(0x88, b"\x03\xe9")].concat());
    assert_eq!(client.rest(), b"");
    assert_exit(server, 0);
}

#[test]
fn closes_in_the_middle_of_a_frame() {
    let server = POLYSOCK.echo(&["--close-timeout", "10m", "--shutdown-timeout", "10m"]);
    let mut client = accepted(&server, RFC6455);
    let long = frame(0x81, "x".repeat(1000));
    client.send([&frame(0x81, "whole"), &long[..500]].concat());
    client.expect(b"\x81\x05whole");
    server.signal("TERM");
    client.expect(GOING_AWAY);
    client.send([&long[500..], &frame(0x88, b"\x03\xe9")].concat());
    assert_eq!(client.rest(), b"");
    assert_exit(server, 0);
}

#[test]
fn gives_a_client_that_never_answers_up_at_the_close_timeout() {
    let server = POLYSOCK.echo(&["--close-timeout", "200ms", "--shutdown-timeout", "15s"]);
    let mut visitors = visitors(&server);
    let told = Instant::now();
    server.signal("TERM");
    for visitor in &mut visitors {
        visitor.client.expect(visitor.farewell);
        // The server ends its direction: it has stopped waiting.
        assert_eq!(visitor.client.rest(), b"", "{}", visitor.protocol);
    }
    assert_exit(server, 0);
    let took = told.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    drop(visitors);
}

#[test]
fn cuts_a_client_that_never_answers_at_the_shutdown_timeout() {
    let server = POLYSOCK.echo(&["--close-timeout", "10m", "--shutdown-timeout", "300ms"]);
    let mut client = accepted(&server, RFC6455);
    server.signal("TERM");
    client.expect(GOING_AWAY);
    let log = assert_exit(server, 75);
    assert!(log.contains("had to be cut"), "{log}");
    client.gone();
}

#[test]
fn gives_a_client_that_never_reads_up_at_the_close_timeout() {
    let server = POLYSOCK.echo(&["--close-timeout", "200ms", "--shutdown-timeout", "15s"]);
    let mut client = accepted(&server, RFC6455);
    // More than the sockets hold, until the echo is stuck in the server and our writes with it.
    let message = frame(0x82, vec![7; 1 << 20]);
    let stuck = client.send_until_stuck(&message);
    assert!(stuck > 1 << 20, "{stuck}");
    let told = Instant::now();
    server.signal("TERM");
    assert_exit(server, 0);
    let took = told.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn ends_immediately_on_a_second_signal() {
    for second in ["TERM", "INT", "QUIT"] {
        let mut server = POLYSOCK.echo(&["--close-timeout", "10m", "--shutdown-timeout", "10m"]);
        let mut client = accepted(&server, RFC6455);
        server.signal("TERM");
        server.log_line("closing connections");
        client.expect(GOING_AWAY);
        server.signal(second);
        let log = assert_exit(server, 75);
        assert!(log.contains("second signal"), "{log}");
        client.gone();
    }
}

#[test]
fn refuses_new_connections_once_it_drains() {
    // With a single worker, its listener is closed before the first client receives the close.
    let server = POLYSOCK.echo(&["--workers", "1", "--close-timeout", "10m"]);
    let mut client = accepted(&server, RFC6455);
    server.signal("TERM");
    client.expect(GOING_AWAY);
    let refused = TcpStream::connect_timeout(&server.address, PATIENCE).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    client.send(frame(0x88, b"\x03\xe9"));
    assert_eq!(client.rest(), b"");
    assert_exit(server, 0);
}

#[test]
fn is_not_delayed_by_an_idle_http_connection() {
    let server = POLYSOCK.serve(&["--app", "chat", "--shutdown-timeout", "10m"]);
    let (mut client, head) = server.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    server.signal("TERM");
    assert_eq!(client.rest(), b"");
    assert_exit(server, 0);
}

#[test]
fn is_not_delayed_by_an_incomplete_head() {
    let server = POLYSOCK.echo(&["--handshake-timeout", "10m", "--shutdown-timeout", "10m"]);
    let mut silent = server.connect();
    let mut half = server.connect();
    half.send("GET / HTTP/1.1\r\nHost:");
    // The accept queue of the worker could still hold the clients. A later client that is served
    // proves that it does not.
    drop(accepted(&server, RFC6455));
    server.signal("TERM");
    silent.gone();
    half.gone();
    assert_exit(server, 0);
}

#[test]
fn is_not_delayed_by_missing_eight_bytes() {
    let server = POLYSOCK.echo(&["--handshake-timeout", "10m", "--shutdown-timeout", "10m"]);
    let mut client = accepted(&server, HIXIE_76);
    server.signal("TERM");
    assert_eq!(client.rest(), b"");
    assert_exit(server, 0);
}

#[test]
fn closes_the_upstreams_of_its_clients() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let server = POLYSOCK.serve(&[&url, "--shutdown-timeout", "10m"]);
    let mut client = server.connect();
    client.send(RFC6455);
    let mut upstream = Client::over(listener.accept().unwrap().0);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.send(frame(0x82, "Hello"));
    upstream.expect("Hello");
    server.signal("TERM");
    client.expect(GOING_AWAY);
    client.send(frame(0x88, b"\x03\xe9"));
    assert_eq!(client.rest(), b"");
    assert_eq!(upstream.rest(), b"");
    drop(upstream);
    assert_exit(server, 0);
}

#[test]
fn sends_a_close_to_a_client_whose_upstream_never_reads() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let server = POLYSOCK.serve(&[&url, "--shutdown-timeout", "500ms"]);
    let mut client = server.connect();
    client.send(RFC6455);
    let upstream = listener.accept().unwrap();
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.send_until_stuck(&frame(0x82, vec![7; 1 << 20]));
    server.signal("TERM");
    client.expect(GOING_AWAY);
    // Data that was accepted for the upstream is lost, and the exit code reports it.
    let log = assert_exit(server, 75);
    assert!(log.contains("code=1001 by=\"server\""), "{log}");
    drop(upstream);
}

#[test]
fn an_unread_log_blocks_nothing() {
    let mut server = POLYSOCK
        .command()
        .args(["serve", "--listen", "127.0.0.1:0", "--app", "echo"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    let (_, address) = line.trim_end().split_once("listening on ").unwrap();
    let address = address.parse().unwrap();
    // Some 500 KiB of log. A pipe holds 64 KiB.
    let long = format!("User-Agent: {}\r\n", "x".repeat(7000));
    for _ in 0..40 {
        let mut client = Client::connect(address);
        client.send(with(RFC6455, &long));
        client.head();
        client.send(frame(0x81, "Hello"));
        client.expect(b"\x81\x05Hello");
    }
    process::signal(&server, "TERM");
    let end = process::output(server, PATIENCE);
    assert_eq!(end.status.code(), Some(0));
    drop(log);
}
