//! Who is let in where there is no room for everybody.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use polysock_test_support::PATIENCE;

use crate::POLYSOCK;

#[test]
fn connections_that_cannot_be_accepted_are_told_once_a_second() {
    const WATCHED: Duration = Duration::from_secs(3);
    let mut server = POLYSOCK.serve_under(&["--nofile=48"], &["--app", "echo"]);
    let silent: Vec<_> = (0..100)
        .map(|_| TcpStream::connect_timeout(&server.address, PATIENCE).unwrap())
        .collect();
    server.log_line("cannot accept connections");
    thread::sleep(WATCHED);
    server.signal("TERM");
    let (_, log) = server.ends_within(PATIENCE);
    let lines = log.matches("cannot accept connections").count();
    assert!((2..=5).contains(&lines), "{log}");
    assert!(log.contains("times="), "{log}");
    drop(silent);
}
