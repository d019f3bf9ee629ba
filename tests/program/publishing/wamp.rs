//! Publishing to the subscribers of a WAMP topic.

use polysock_test_support::client::Client;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::opening::{HIXIE_75, RFC6455, with};
use serde_json::json;

use super::{Publisher, message, text};
use crate::POLYSOCK;

const TOPIC: &str = "http://example.com/t#1";

/// Subscribes an RFC 6455 client to the topic. Waits for the error by which the broker answers a
/// call, since a subscription has no answer.
fn subscribed(client: &mut Client) {
    client.send(frame(0x81, format!("[5,\"{TOPIC}\"]")));
    is_up_to_date(client);
}

fn is_up_to_date(client: &mut Client) {
    client.send(frame(0x81, "[2,1,\"u\"]"));
    let error = "[4,1,\"http://api.wamp.ws/error#generic\",\"no procedure u\"]";
    client.expect(unmasked(0x81, error));
}

#[test]
fn a_publication_to_the_uri_of_a_topic_is_an_event() {
    let arguments = ["app:wamp", "--publish", "127.0.0.1:0"];
    let arguments = [&arguments[..], &["--protocols", "all", "--origin", "*"]].concat();
    let mut server = POLYSOCK.serve(&arguments);
    let publisher = Publisher::of(&mut server);
    let offer = with(RFC6455, "Sec-WebSocket-Protocol: wamp\r\n");
    let (mut client, _) = server.answers(offer, 101);
    let welcome = client.take(2);
    client.take(welcome[1].into());
    subscribed(&mut client);
    for content in ["{\"b\":1.0,\"a\":{}}", "\"h\u{e9}\"", "null", " [1, 2] "] {
        publisher.publish(&[text(TOPIC, content)]);
        let event = format!("[8,\"{TOPIC}\",{}]", content.trim());
        client.expect(unmasked(0x81, event));
    }
    // Invalid JSON is not sent as an event, nor are bytes.
    publisher.publish(&[text(TOPIC, "{"), text(TOPIC, ""), text(TOPIC, "1 2")]);
    publisher.publish(&[message(TOPIC, &json!({"content-bin": "AP8="}))]);
    publisher.publish(&[text("http://example.com/t", "1")]);
    is_up_to_date(&mut client);
    let path = format!("/channels/{}", TOPIC.replace('#', "%23"));
    assert_eq!(publisher.post(&path, "7").status, 200);
    client.expect(unmasked(0x81, format!("[8,\"{TOPIC}\",7]")));
    let path = format!(
        "/channels/{}",
        TOPIC.replace("#", "%23").replace('/', "%2F")
    );
    assert_eq!(publisher.post(&path, "8").status, 200);
    client.expect(unmasked(0x81, format!("[8,\"{TOPIC}\",8]")));
    client.send(frame(0x81, format!("[6,\"{TOPIC}\"]")));
    is_up_to_date(&mut client);
    publisher.publish(&[text(TOPIC, "9")]);
    is_up_to_date(&mut client);
    // An old client receives events too.
    let (mut old, _) = server.answers(with(HIXIE_75, "WebSocket-Protocol: wamp\r\n"), 101);
    while old.take(1) != [0xff] {}
    let subscribe = format!("\0[5,\"{TOPIC}\"]");
    old.send([subscribe.as_bytes(), b"\xff\0[2,1,\"u\"]\xff"].concat());
    while old.take(1) != [0xff] {}
    publisher.publish(&[text(TOPIC, "10")]);
    let event = format!("\0[8,\"{TOPIC}\",10]");
    old.expect([event.as_bytes(), b"\xff"].concat());
}
