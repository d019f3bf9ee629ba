//! A web application behind WebSocket-over-HTTP: an origin for which each test answers.

mod control;
mod ends;
mod holds;
mod messages;
mod old;
mod opening;
mod signature;

use std::io::{ErrorKind, Read};
use std::thread;
use std::time::Duration;

use polysock::protocols::Protocol;
use polysock_test_support::client::Client;
use polysock_test_support::frame::unmasked;
use polysock_test_support::grip::{Answer, Event, Origin, Post};
use polysock_test_support::opening::{RFC6455, assert_status};
use polysock_test_support::server::Server;
use polysock_test_support::wire_peer::WirePeer;

use crate::POLYSOCK;
use crate::configured::serve;

/// The length of silence after which a test concludes that nothing arrives.
const SILENCE: Duration = Duration::from_millis(400);

/// A gateway before an origin.
struct Gateway {
    origin: Origin,
    server: Server,
}

impl Gateway {
    /// Starts a gateway in every protocol for any origin page, with these additional arguments.
    fn new(arguments: &[&str]) -> Self {
        let origin = Origin::new();
        let url = origin.url();
        let ours = [&*url, "--protocols", "all", "--origin", "*"];
        let server = POLYSOCK.serve(&[&ours, arguments].concat());
        Self { origin, server }
    }

    /// Starts a gateway whose route has these settings.
    fn with(name: &str, settings: &str) -> Self {
        let origin = Origin::new();
        let route = format!("[[route]]\ntarget = \"{}\"\n{settings}", origin.url());
        let server = serve(name, &route, &[]);
        Self { origin, server }
    }

    /// Sends a request. Returns the client and the request to the origin.
    #[track_caller]
    fn asks(&self, request: impl AsRef<[u8]>) -> (Client, Post) {
        let mut client = self.server.connect();
        client.send(request);
        (client, self.origin.post())
    }

    /// Sends a request that the origin answers with `answer`. Returns the client and the received
    /// head.
    #[track_caller]
    fn tells(&self, request: impl AsRef<[u8]>, answer: Answer, status: u16) -> (Client, String) {
        let (mut client, post) = self.asks(request);
        post.answer(answer);
        let head = client.head();
        assert_status(&head, status);
        (client, head)
    }

    /// Opens an RFC 6455 client that is admitted with these events.
    #[track_caller]
    fn opens(&self, events: &[Event]) -> Client {
        self.tells(RFC6455, Answer::accept(events), 101).0
    }

    /// Opens an RFC 6455 client that is subscribed to these channels.
    #[track_caller]
    fn joins(&self, channels: &[&str]) -> Client {
        let subscribe = channels.iter().map(|channel| Event::subscribe(channel));
        let events: Vec<_> = subscribe.chain([Event::text("m:joined")]).collect();
        let mut client = self.opens(&events);
        client.expect(unmasked(0x81, "joined"));
        client
    }
}

/// Opens a client in any protocol. Returns it and the fields of its opening request to the origin.
#[track_caller]
fn dial(gateway: &Gateway, protocol: &'static dyn Protocol) -> (WirePeer, Vec<(String, String)>) {
    let address = gateway.server.address;
    let peer = thread::spawn(move || WirePeer::dial(protocol, address));
    let post = gateway.origin.post();
    assert_eq!(post.body, b"OPEN\r\n", "{}", protocol.name());
    let fields = post.fields.clone();
    post.answer(Answer::accept(&[]));
    (peer.join().unwrap(), fields)
}

/// Asserts that a client is cut, with no close or with 1011.
#[track_caller]
fn is_cut(client: &Client) {
    let mut rest = Vec::new();
    match client.stream().read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error} after {}", rest.escape_ascii()),
    }
    assert!(
        rest.is_empty() || matches!(rest[..], [0x88, _, 0x03, 0xf3, ..]),
        "{}",
        rest.escape_ascii()
    );
}
