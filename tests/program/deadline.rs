//! The shutdown of a busy server: no socket listens after the signal, and the process exits at the
//! deadline.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use polysock_test_support::PATIENCE;
use polysock_test_support::alone::alone;
use polysock_test_support::client::Client;
use polysock_test_support::frame::frame;
use polysock_test_support::server::Server;

use crate::POLYSOCK;

/// The number of clients or upstreams that keep the server busy.
const CROWD: usize = 50;

/// Starts a byte server that sends to each client until it disconnects.
fn flood() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || while stream.write_all(&[b'x'; 1 << 16]).is_ok() {});
        }
    });
    address
}

/// Sends without end, and reads nothing.
fn publish(client: &Client) {
    let mut stream = client.stream().try_clone().unwrap();
    let messages = frame(0x82, [b'x'; 100]).repeat(500);
    thread::spawn(move || while stream.write_all(&messages).is_ok() {});
}

/// Asserts that a server exits at its deadline of one second.
#[track_caller]
fn assert_ends_at_its_deadline(mut server: Server) {
    let told = Instant::now();
    server.signal("TERM");
    let (code, log) = server.ends_within(PATIENCE);
    let took = told.elapsed();
    assert_eq!(code, Some(75), "{log}");
    assert!(took < Duration::from_millis(1800), "{took:?}");
}

#[test]
fn the_server_ends_at_the_deadline_while_upstreams_flood() {
    alone(
        "deadline::the_server_ends_at_the_deadline_while_upstreams_flood",
        || {
            let url = format!("tcp://{}", flood());
            let server = POLYSOCK.serve(&[&url, "--shutdown-timeout", "1s"]);
            let clients: Vec<_> = (0..CROWD).map(|_| server.websocket()).collect();
            // None of the clients reads more than this.
            clients
                .into_iter()
                .for_each(|mut client| drop(client.take(1 << 16)));
            let clients: Vec<_> = (0..CROWD).map(|_| server.websocket()).collect();
            assert_ends_at_its_deadline(server);
            drop(clients);
        },
    );
}

#[test]
fn the_server_ends_at_the_deadline_while_clients_flood_a_broadcast() {
    let name = "deadline::the_server_ends_at_the_deadline_while_clients_flood_a_broadcast";
    alone(name, || {
        let server = POLYSOCK.serve(&["--app", "broadcast", "--shutdown-timeout", "1s"]);
        let clients: Vec<_> = (0..CROWD).map(|_| server.websocket()).collect();
        clients.iter().for_each(publish);
        assert_ends_at_its_deadline(server);
        drop(clients);
    });
}

#[test]
fn a_busy_server_stops_listening_at_the_signal() {
    let name = "deadline::a_busy_server_stops_listening_at_the_signal";
    alone(name, || {
        let server = POLYSOCK.serve(&["--app", "broadcast", "--shutdown-timeout", "1s"]);
        let readers: Vec<_> = (0..500).map(|_| server.websocket()).collect();
        for reader in &readers {
            let mut stream = reader.stream().try_clone().unwrap();
            thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
        }
        readers.iter().take(10).for_each(publish);
        readers[0].stream().peek(&mut [0]).unwrap();
        server.signal("TERM");
        let told = Instant::now();
        let refused = loop {
            match TcpStream::connect_timeout(&server.address, PATIENCE) {
                Ok(_) => assert!(told.elapsed() < PATIENCE, "it listens"),
                // The connection was still in the queue of the listener.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
                Err(error) => break error,
            }
        };
        let took = told.elapsed();
        assert!(took < Duration::from_millis(300), "{took:?}");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}
