//! The built-in WAMP broker, which needs no code.

use polysock_test_support::client::Client;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::opening::{HIXIE_75, RFC6455, assert_status, field, with};
use polysock_test_support::server::Server;

use crate::POLYSOCK;
use crate::configured::serve;

/// A client of RFC 6455 or hixie-75.
struct WampClient {
    client: Client,
    is_old: bool,
}

impl WampClient {
    fn join(server: &Server, is_old: bool, path: &str) -> Self {
        let request = match is_old {
            true => with(HIXIE_75, "WebSocket-Protocol: wamp\r\n").replace("/demo", path),
            false => with(RFC6455, "Sec-WebSocket-Protocol: wamp\r\n").replace("/chat", path),
        };
        let (client, head) = server.ask(request);
        assert_status(&head, 101);
        let mut joined = Self { client, is_old };
        let welcome = joined.hear(64);
        assert!(welcome.starts_with("[0,\""), "{welcome}");
        joined
    }

    /// Returns the next message, which must not be longer than `most`.
    fn hear(&mut self, most: usize) -> String {
        let first = self.client.take(1);
        let mut text = Vec::new();
        if self.is_old {
            assert_eq!(first, [0]);
            while text.last() != Some(&0xff) {
                text.extend(self.client.take(1));
            }
            text.pop();
        } else {
            assert_eq!(first, [0x81]);
            let len = self.client.take(1)[0].into();
            text = self.client.take(len);
        }
        assert!(text.len() <= most);
        String::from_utf8(text).unwrap()
    }

    fn say(&mut self, text: &str) {
        match self.is_old {
            true => self.client.send([b"\0", text.as_bytes(), b"\xff"].concat()),
            false => self.client.send(frame(0x81, text)),
        }
    }

    fn hears(&mut self, expected: &str) {
        assert_eq!(self.hear(expected.len().max(124)), expected);
    }

    /// Asserts that it has received nothing else: a broker answers every call with an error.
    fn is_up_to_date(&mut self) {
        self.say("[2,1,\"u\"]");
        self.hears("[4,1,\"http://api.wamp.ws/error#generic\",\"no procedure u\"]");
    }
}

#[test]
fn carries_events_between_clients_of_any_age() {
    let mut server = POLYSOCK.serve(&["--app", "wamp", "--protocols", "all"]);
    let mut old = WampClient::join(&server, true, "/any");
    let mut new = WampClient::join(&server, false, "/other");
    for client in [&mut old, &mut new] {
        client.say("[5,\"http://example.com/t\"]");
        client.is_up_to_date();
    }
    old.say("[7,\"http://example.com/t\",{\"b\":1.0,\"a\":{}}]");
    new.hears("[8,\"http://example.com/t\",{\"b\":1.0,\"a\":{}}]");
    old.is_up_to_date();
    new.say("[7,\"http://example.com/t\",\"h\u{e9}\"]");
    old.hears("[8,\"http://example.com/t\",\"h\u{e9}\"]");
    new.is_up_to_date();
    let reason = b"\x03\xefPUBLISH needs at least 3 elements, and this one has 1";
    new.say("[7]");
    new.client.expect(unmasked(0x88, reason));
    let line = server.log_line(" close ");
    assert!(line.contains("code=1007"), "{line}");
    old.is_up_to_date();
}

#[test]
fn a_client_without_the_subprotocol_is_refused() {
    let server = POLYSOCK.serve(&["--app", "wamp"]);
    let (mut client, _) = server.answers(RFC6455, 400);
    let body = String::from_utf8(client.rest()).unwrap();
    assert!(body.contains("a subprotocol is required"), "{body}");
}

#[test]
fn a_route_sets_its_dialect_and_subprotocol_requirement() {
    let routes = "\
        [[route]]\npath = \"/ratchet\"\ntarget = \"app:wamp\"\nwamp = { dialect = \"ratchet\" }\n\
        [[route]]\npath = \"/any\"\ntarget = \"app:wamp\"\nwamp.require_subprotocol = false\n";
    let server = serve("wamp", routes, &[]);
    let publish = "[7,\"t\",1]";
    for (path, comes_back) in [("/ratchet", true), ("/any", false)] {
        let mut client = WampClient::join(&server, false, path);
        client.say("[5,\"t\"]");
        client.say(publish);
        if comes_back {
            client.hears("[8,\"t\",1]");
        }
        client.is_up_to_date();
    }
    let at = |path| RFC6455.replace("/chat", path);
    server.answers(at("/ratchet"), 400);
    let (mut client, head) = server.answers(at("/any"), 101);
    assert_eq!(field(&head, "Sec-WebSocket-Protocol"), None);
    assert_eq!(client.take(1), [0x81]);
}
