//! Ordinary requests that are forwarded to a web server.

mod bodies;
mod ends;
mod fields;
mod reuse;

use std::net::TcpListener;

use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::server::Server;
use socket2::SockRef;

use crate::POLYSOCK;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A web server whose answers the test writes by hand.
struct WebServer(TcpListener);

impl WebServer {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Linux applies the timeout to accept(2) as well.
        let set = SockRef::from(&listener).set_read_timeout(Some(PATIENCE));
        set.unwrap();
        Self(listener)
    }

    /// Creates a web server, and starts the program in front of it.
    fn behind(flags: &[&str]) -> (Self, Server) {
        let server = Self::new();
        let gateway = POLYSOCK.serve(&[flags, &[&server.url()]].concat());
        (server, gateway)
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    /// Accepts the next connection.
    fn accept(&self) -> Client {
        Client::over(self.0.accept().unwrap().0)
    }

    /// Accepts the next connection, and reads the head of its first request.
    fn asked(&self) -> (Client, String) {
        let mut connection = self.accept();
        let head = connection.head();
        (connection, head)
    }
}

/// An answer with this body.
fn ok(body: &str) -> String {
    let len = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{body}")
}

/// Returns the lines of a head sorted by name, without `Date`.
fn sorted(head: &str) -> Vec<String> {
    let lines = head.lines().filter(|line| !line.is_empty());
    let mut lines: Vec<_> = lines
        .filter(|line| !line.starts_with("Date: "))
        .map(str::to_owned)
        .collect();
    lines.get_mut(1..).unwrap_or_default().sort();
    lines
}
