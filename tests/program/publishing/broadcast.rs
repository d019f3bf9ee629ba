//! The broadcast on a channel.

use polysock_test_support::client::Client;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::opening::{HIXIE_75, RFC6455};
use polysock_test_support::program::Input;
use polysock_test_support::server::Server;

use super::{Publisher, message, text};
use crate::POLYSOCK;
use crate::configured::serve;
use serde_json::json;

/// Opens an RFC 6455 client in the broadcast on this path.
#[track_caller]
fn joins(server: &Server, path: &str) -> Client {
    let (mut client, _) = server.answers(RFC6455.replace("/chat", path), 101);
    // A client that has received its own message has joined.
    client.send(frame(0x81, "here"));
    client.expect(unmasked(0x81, "here"));
    client
}

#[test]
fn all_clients_get_messages_of_clients_and_publications() {
    let arguments = ["app:broadcast/news", "--publish", "127.0.0.1:0"];
    let arguments = [&arguments[..], &["--protocols", "all", "--origin", "*"]].concat();
    let mut server = POLYSOCK.serve(&arguments);
    let publisher = Publisher::of(&mut server);
    let mut new = joins(&server, "/");
    let (mut old, _) = server.answers(HIXIE_75, 101);
    old.send(b"\0hello\xff");
    old.expect(b"\0hello\xff");
    new.expect(unmasked(0x81, "hello"));
    publisher.publish(&[text("news", "published"), text("other", "elsewhere")]);
    publisher.post("/channels/news", "by curl");
    new.send(frame(0x81, "said"));
    new.expect(unmasked(0x81, "published"));
    new.expect(unmasked(0x81, "by curl"));
    new.expect(unmasked(0x81, "said"));
    old.expect(b"\0published\xff\0by curl\xff\0said\xff");
    // hixie-75 has no binary messages.
    publisher.publish(&[message("news", &json!({"content-bin": "AP8="}))]);
    new.expect(unmasked(0x82, b"\0\xff"));
    assert_eq!(old.rest(), b"", "it is closed");
}

#[test]
fn routes_may_share_a_channel_or_have_their_own() {
    let routes = "[publish]\nlisten = \"127.0.0.1:0\"\n\
        [[route]]\npath = \"/a\"\ntarget = \"app:broadcast/one\"\n\
        [[route]]\npath = \"/b\"\ntarget = \"app:broadcast/one\"\n\
        [[route]]\npath = \"/c\"\ntarget = \"app:broadcast/two\"\n";
    let mut server = serve("publish-routes", routes, &[]);
    let publisher = Publisher::of(&mut server);
    let mut a = joins(&server, "/a");
    let mut c = joins(&server, "/c");
    let mut b = joins(&server, "/b");
    a.expect(unmasked(0x81, "here"));
    publisher.publish(&[text("two", "2"), text("one", "1")]);
    for client in [&mut a, &mut b] {
        client.expect(unmasked(0x81, "1"));
    }
    c.expect(unmasked(0x81, "2"));
}

#[test]
fn an_empty_channel_name_is_refused() {
    let arguments = ["serve", "app:broadcast/", "--listen", "127.0.0.1:0"];
    let run = POLYSOCK.run(&arguments, Input::NOTHING);
    assert!(matches!(run.code, Some(1 | 2)), "{}", run.stderr);
}
