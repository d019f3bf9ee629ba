//! SIGTERM with many clients: each receives the close of its protocol, a tenth of them over TLS,
//! spread over time.
//!
//! There are 500 clients, or `POLYSOCK_GOODBYES`:
//!
//! ```console
//! $ ulimit -n 20000
//! $ POLYSOCK_GOODBYES=10000 cargo test -p polysock-cli --test program goodbye
//! ```

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use polysock_test_support::PATIENCE;
use polysock_test_support::alone::alone;
use polysock_test_support::authority::Authority;
use polysock_test_support::client::Client;
use polysock_test_support::opening::{HIXIE_76_BODY, HIXIE_76_DIGEST, assert_status};
use polysock_test_support::server::Server;
use polysock_test_support::tls::TlsClient;

use crate::POLYSOCK;
use crate::shutdown::{Kind, kinds};

/// The time over which the clients are closed.
const DRAIN: Duration = Duration::from_secs(3);

/// A client, with TLS or without.
enum Visitor {
    Plain(Client),
    Tls(Box<TlsClient>),
}

impl Visitor {
    fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(client) => client.send(bytes),
            Self::Tls(client) => client.send(bytes),
        }
    }

    fn head(&mut self) -> String {
        match self {
            Self::Plain(client) => client.head(),
            Self::Tls(client) => client.head(),
        }
    }

    fn expect(&mut self, expected: &[u8]) {
        match self {
            Self::Plain(client) => client.expect(expected),
            Self::Tls(client) => client.expect(expected),
        }
    }

    /// Returns the bytes up to the end, which must be orderly over TLS.
    fn rest(&mut self) -> Vec<u8> {
        match self {
            Self::Plain(client) => client.rest(),
            Self::Tls(client) => client.rest().unwrap(),
        }
    }

    fn open(&mut self, kind: &Kind) {
        self.send(kind.request.as_bytes());
        if kind.is_keyed {
            self.send(HIXIE_76_BODY);
        }
        assert_status(&self.head(), 101);
        if kind.is_keyed {
            self.expect(HIXIE_76_DIGEST);
        }
    }
}

#[test]
fn clients_are_closed_in_their_protocols_and_spread_over_time() {
    // The number of descriptors of a process is limited, and other tests need some.
    let name = "goodbye::clients_are_closed_in_their_protocols_and_spread_over_time";
    alone(name, tell_all);
}

fn tell_all() {
    let count = std::env::var("POLYSOCK_GOODBYES").map_or(500, |count| count.parse().unwrap());
    let directory = POLYSOCK.directory("goodbye");
    let authority = Authority::new();
    authority.issue(&["localhost"]).write(&directory, "site");
    let file = directory.join("polysock.toml");
    let config = "\
shutdown_drain = \"3s\"
shutdown_timeout = \"2m\"
[[listener]]
address = \"127.0.0.1:0\"
tls = { certificate = \"site.pem\", key = \"site.key\" }
plain = true
[[route]]
target = \"app:echo\"
protocols = \"all\"
close_timeout = \"1m\"
ping_interval = \"none\"
access_log = false
";
    fs::write(&file, config).unwrap();
    let mut command = POLYSOCK.command();
    command.arg("serve").arg("--config").arg(&file);
    let server = Server::start(command.stdin(Stdio::null()), PATIENCE);
    let mut server = server.unwrap_or_else(|end| panic!("{end:?}"));
    let (tls, kinds) = (authority.client().config(), kinds());
    let mut visitors = Vec::new();
    for number in 0..count {
        // Each group of ten clients shifts the protocols by one, so that each protocol is used over
        // TLS.
        let kind = &kinds[(number + number / 10) % kinds.len()];
        let mut visitor = match number % 10 {
            9 => {
                let client = TlsClient::connect(tls.clone(), server.address, "localhost");
                Visitor::Tls(Box::new(client.unwrap()))
            }
            _ => Visitor::Plain(server.connect()),
        };
        visitor.open(kind);
        visitors.push((kind, visitor));
    }
    server.signal("TERM");
    let mut told = Vec::new();
    for (kind, visitor) in &mut visitors {
        visitor.expect(kind.farewell);
        if kind.farewell.is_empty() {
            // Without a closing handshake, the end of the stream is the close.
            assert_eq!(visitor.rest(), b"", "{}", kind.protocol);
        }
        told.push(Instant::now());
        if let Some(answer) = &kind.answer {
            visitor.send(answer);
            assert_eq!(visitor.rest(), b"", "{}", kind.protocol);
        }
    }
    let (first, last) = (told[0], told[told.len() - 1]);
    let spread = last - first;
    assert!(spread >= DRAIN / 4, "all were told within {spread:?}");
    drop(visitors);
    let (code, log) = server.ends_within(PATIENCE);
    assert_eq!(code, Some(0), "{log}");
}
