//! A web application behind WebSocket-over-HTTP: an origin that each test answers for.

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

/// How long nothing may come before it counts as nothing.
const SILENCE: Duration = Duration::from_millis(400);

/// A gateway before an origin.
struct Gateway {
    origin: Origin,
    server: Server,
}

impl Gateway {
    /// One that speaks every protocol to everybody, with these arguments beside.
    fn new(arguments: &[&str]) -> Self {
        let origin = Origin::new();
        let url = origin.url();
        let ours = [&*url, "--protocols", "all", "--origin", "*"];
        let server = POLYSOCK.serve(&[&ours, arguments].concat());
        Self { origin, server }
    }

    /// One whose route has these settings.
    fn with(name: &str, settings: &str) -> Self {
        let origin = Origin::new();
        let route = format!("[[route]]\ntarget = \"{}\"\n{settings}", origin.url());
        let server = serve(name, &route, &[]);
        Self { origin, server }
    }

    /// A client that has sent this, and what the origin is asked.
    #[track_caller]
    fn asks(&self, request: impl AsRef<[u8]>) -> (Client, Post) {
        let mut client = self.server.connect();
        client.send(request);
        (client, self.origin.post())
    }

    /// What a client is told that has sent this, where the origin answers so.
    #[track_caller]
    fn tells(&self, request: impl AsRef<[u8]>, answer: Answer, status: u16) -> (Client, String) {
        let (mut client, post) = self.asks(request);
        post.answer(answer);
        let head = client.head();
        assert_status(&head, status);
        (client, head)
    }

    /// A client of RFC 6455 that is let in with these events.
    #[track_caller]
    fn opens(&self, events: &[Event]) -> Client {
        self.tells(RFC6455, Answer::accept(events), 101).0
    }

    /// A client of RFC 6455 that is let in and subscribed to these channels.
    #[track_caller]
    fn joins(&self, channels: &[&str]) -> Client {
        let subscribe = channels.iter().map(|channel| Event::subscribe(channel));
        let events: Vec<_> = subscribe.chain([Event::text("m:joined")]).collect();
        let mut client = self.opens(&events);
        client.expect(unmasked(0x81, "joined"));
        client
    }
}

/// A client of any protocol that is let in, and the fields of the request by which it was.
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

/// Expects a client to be cut, with no close but 1011.
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
