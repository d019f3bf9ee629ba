//! Control messages: channels, and keep-alive messages.

use std::time::{Duration, Instant};

use polysock_test_support::frame::{close, frame, unmasked};
use polysock_test_support::grip::{Answer, Event};
use polysock_test_support::opening::RFC6455;
use serde_json::json;

use super::{Gateway, SILENCE};
use crate::publishing::{Publisher, text};

/// Starts a gateway with a publish listener.
fn gateway() -> (Gateway, Publisher) {
    let mut gateway = Gateway::new(&["--publish", "127.0.0.1:0"]);
    let publisher = Publisher::of(&mut gateway.server);
    (gateway, publisher)
}

#[test]
fn a_subscriber_gets_publications_until_it_unsubscribes() {
    let (gateway, publisher) = gateway();
    let mut one = gateway.joins(&["room", "own 1/\u{e9}"]);
    let mut two = gateway.joins(&["room"]);
    publisher.publish(&[
        text("room", "both"),
        text("own 1/\u{e9}", "one"),
        text("none", "nobody"),
    ]);
    one.expect(unmasked(0x81, "both"));
    one.expect(unmasked(0x81, "one"));
    two.expect(unmasked(0x81, "both"));
    two.send(frame(0x81, "x"));
    let leave = Event::control(r#"{"type":"unsubscribe","channel":"room"}"#);
    let unknown = Event::control(r#"{"type":"unsubscribe","channel":"elsewhere"}"#);
    let events = [leave, unknown, Event::text("m:left")];
    gateway.origin.answers(&[Event::text("x")], &events);
    two.expect(unmasked(0x81, "left"));
    publisher.publish(&[text("room", "one")]);
    one.expect(unmasked(0x81, "one"));
    two.send(frame(0x81, "x"));
    let events = [Event::subscribe("room"), Event::text("m:back")];
    gateway.origin.answers(&[Event::text("x")], &events);
    two.expect(unmasked(0x81, "back"));
    publisher.publish(&[text("room", "again")]);
    two.expect(unmasked(0x81, "again"));
    // Published messages are not sent to the origin.
    gateway.origin.is_left_alone(SILENCE);
}

/// A page that fetches the current state after it has connected misses no later message.
#[test]
fn an_accepted_client_is_already_subscribed() {
    let (gateway, publisher) = gateway();
    let mut clients = Vec::new();
    for number in 0..20 {
        let mut client = gateway.opens(&[Event::subscribe("t")]);
        publisher.publish(&[text("t", &number.to_string())]);
        client.expect(unmasked(0x81, number.to_string()));
        clients.push(client);
    }
}

#[test]
fn a_channel_that_is_subscribed_to_twice_is_delivered_once() {
    let (gateway, publisher) = gateway();
    let mut client = gateway.joins(&["t", "t"]);
    publisher.publish(&[text("t", "1"), text("t", "2")]);
    client.expect(unmasked(0x81, "1"));
    client.expect(unmasked(0x81, "2"));
}

#[test]
fn a_client_has_at_most_twenty_channels() {
    let (gateway, publisher) = gateway();
    let channels: Vec<_> = (0..21).map(|number| format!("c{number}")).collect();
    let names: Vec<_> = channels.iter().map(String::as_str).collect();
    let mut client = gateway.joins(&names);
    for channel in channels.iter().rev() {
        publisher.publish(&[text(channel, channel)]);
    }
    for channel in channels[..20].iter().rev() {
        client.expect(unmasked(0x81, channel));
    }
    // Unsubscribing makes room for another channel.
    client.send(frame(0x81, "x"));
    let leave = Event::control(r#"{"type":"unsubscribe","channel":"c0"}"#);
    let events = [leave, Event::subscribe("c20"), Event::text("m:y")];
    gateway.origin.answers(&[Event::text("x")], &events);
    client.expect(unmasked(0x81, "y"));
    publisher.publish(&[text("c20", "now")]);
    client.expect(unmasked(0x81, "now"));
}

#[test]
fn malformed_control_messages_are_ignored() {
    let (gateway, publisher) = gateway();
    let mut client = gateway.opens(&[
        Event::control("nonsense"),
        Event::control(""),
        Event::control("[]"),
        Event::control("{}"),
        Event::control(r#"{"type":7}"#),
        Event::control(r#"{"type":"dance","channel":"t"}"#),
        Event::control(r#"{"type":"subscribe"}"#),
        Event::control(r#"{"type":"subscribe","channel":7}"#),
        Event::control(r#"{"type":"keep-alive","timeout":"soon"}"#),
        Event::of("TEXT", b"c:\xff"),
        Event::subscribe("t"),
        Event::text("m:here"),
    ]);
    client.expect(unmasked(0x81, "here"));
    publisher.publish(&[text("t", "heard")]);
    client.expect(unmasked(0x81, "heard"));
}

#[test]
fn a_detached_client_stays_and_its_messages_are_not_posted() {
    let (gateway, publisher) = gateway();
    let mut client = gateway.joins(&["t"]);
    client.send(frame(0x81, "x"));
    let detach = Event::control(r#"{"type":"detach"}"#);
    gateway
        .origin
        .answers(&[Event::text("x")], &[detach, Event::text("m:y")]);
    client.expect(unmasked(0x81, "y"));
    let post = gateway.origin.post();
    let events = post.events();
    assert!(
        matches!(&events[..], [event] if event.kind == "CLOSE"),
        "{events:?}"
    );
    post.answer(Answer::events(&[]));
    client.send(frame(0x81, "to nobody"));
    client.send(frame(0x89, "p"));
    client.expect(unmasked(0x8a, "p"));
    publisher.publish(&[text("t", "still heard")]);
    client.expect(unmasked(0x81, "still heard"));
    client.send(close(1000));
    client.expect(unmasked(0x88, b"\x03\xe8"));
    gateway.origin.is_left_alone(SILENCE);
}

#[test]
fn the_keep_alive_message_of_an_origin_is_sent_to_an_idle_client() {
    let (gateway, publisher) = gateway();
    let keep = |content: &str| {
        let keep = json!({"type": "keep-alive", "content": content, "timeout": 1});
        Event::control(&keep.to_string())
    };
    let mut client = gateway.opens(&[keep("[]"), Event::subscribe("t")]);
    let begun = Instant::now();
    client.expect(unmasked(0x81, "[]"));
    client.expect(unmasked(0x81, "[]"));
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(1500), "{took:?}");
    publisher.publish(&[text("t", "between")]);
    client.expect(unmasked(0x81, "between"));
    client.expect(unmasked(0x81, "[]"));
    gateway.origin.is_left_alone(Duration::ZERO);
}

#[test]
fn a_sender_with_skip_self_does_not_get_its_own_message() {
    let (gateway, publisher) = gateway();
    let skip_self = r#"{"type":"subscribe","channel":"t","filters":["skip-self"]}"#;
    let mut clients = ["alice", "bob"].map(|user| {
        let events = [Event::control(skip_self), Event::text("m:joined")];
        let answer = Answer::accept(&events).with("Set-Meta-User", user);
        let (mut client, _) = gateway.tells(RFC6455, answer, 101);
        client.expect(unmasked(0x81, "joined"));
        client
    });
    let mut of_alice = text("t", "from alice");
    of_alice["meta"] = json!({"sender": "alice"});
    publisher.publish(&[of_alice, text("t", "from nobody")]);
    let [alice, bob] = &mut clients;
    alice.expect(unmasked(0x81, "from nobody"));
    bob.expect(unmasked(0x81, "from alice"));
    bob.expect(unmasked(0x81, "from nobody"));
}

#[test]
fn only_connected_clients_get_publications() {
    let (gateway, publisher) = gateway();
    let mut gone = gateway.joins(&["t"]);
    gone.send(close(1000));
    gone.expect(unmasked(0x88, b"\x03\xe8"));
    gateway.origin.answers(&[Event::close(1000, "")], &[]);
    publisher.publish(&[text("t", "to nobody")]);
    let mut client = gateway.joins(&["t"]);
    publisher.publish(&[text("t", "to somebody")]);
    client.expect(unmasked(0x81, "to somebody"));
}
