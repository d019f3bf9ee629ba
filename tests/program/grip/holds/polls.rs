//! Requests that are held until a response is published.

use std::time::{Duration, Instant};

use polysock_test_support::client::Client;
use polysock_test_support::grip::Answer;
use polysock_test_support::opening::{assert_status, field};
use serde_json::json;

use super::{GET, Site, held};

/// An answer that holds its request until a response is published.
fn wait(channels: &str) -> Answer {
    held("response", channels, "nothing new\n")
}

/// Sends a request that is held.
#[track_caller]
fn waits(site: &Site, request: &str, answer: Answer) -> Client {
    let (client, post) = site.gateway.asks(request);
    post.answer(answer);
    site.settles();
    client
}

#[test]
fn a_publication_answers_a_held_request() {
    let site = Site::new();
    let answer = wait("news, weather")
        .with("Set-Cookie", "a=b")
        .with("X-Other", "origin's");
    let mut client = waits(&site, GET, answer);
    site.publish(
        "news",
        "ws-message",
        &json!({ "content": "for WebSockets" }),
    );
    site.publish("news", "http-response", &json!({ "action": "close" }));
    site.publish(
        "weather",
        "http-response",
        &json!({
            "code": 201, "reason": "Made it", "body": "{}",
            "headers": { "Content-Type": "application/json", "X-Other": "publisher's" },
        }),
    );
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 201 Made it\r\n"), "{head}");
    for (name, value) in [
        ("Content-Type", "application/json"),
        ("Content-Length", "2"),
        ("Set-Cookie", "a=b"),
        ("X-Other", "publisher's"),
    ] {
        assert_eq!(field(&head, name), Some(value), "{name}: {head}");
    }
    assert!(!head.to_lowercase().contains("grip-"), "{head}");
    client.expect("{}");
    // The client polls again on the same connection.
    client.send(GET);
    site.gateway.origin.post().answer(wait("news"));
    site.settles();
    site.publish("news", "http-response", &json!({ "body-bin": "AP8=" }));
    let head = client.head();
    assert_status(&head, 200);
    assert_eq!(field(&head, "Content-Type"), Some("text/plain"), "{head}");
    client.expect(b"\0\xff");
}

#[test]
fn the_answer_of_the_origin_is_sent_if_nothing_is_published() {
    let site = Site::new();
    let began = Instant::now();
    let answer = wait("news")
        .with("Grip-Timeout", "1")
        .with("Grip-Status", "203 As it was")
        .with("X-Other", "origin's");
    let (mut client, head) = site.gets(GET, answer, 203);
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(field(&head, "X-Other"), Some("origin's"), "{head}");
    client.expect("nothing new\n");
    let answer = Answer::page(200, "text/plain", b"next".to_vec());
    assert_status(&site.gets_again(&mut client, GET, answer), 200);
    client.expect("next");
}

#[test]
fn a_request_that_missed_an_item_is_sent_to_the_origin_again() {
    let site = Site::new();
    let mut client = waits(&site, GET, wait("news; prev-id=1, other"));
    // Its previous id is not the last one that the origin has seen.
    site.number("news", "3", Some("2"));
    let again = site.gateway.origin.post();
    assert_eq!(again.line, "GET /feed?x=1 HTTP/1.1");
    assert_eq!(again.field("Host"), Some("a.example"));
    assert_eq!(again.field("Grip-Last"), Some("news; last-id=1"));
    again.answer(wait("news; prev-id=3"));
    site.settles();
    site.number("news", "4", Some("3"));
    assert_status(&client.head(), 200);
    client.expect("[4]");
    // The item was published before the request was held.
    let (mut client, post) = site.gateway.asks(GET);
    post.answer(wait("news; prev-id=3"));
    let again = site.gateway.origin.post();
    assert_eq!(again.field("Grip-Last"), Some("news; last-id=3"));
    again.answer(Answer::page(200, "text/plain", b"4".to_vec()));
    assert_status(&client.head(), 200);
    client.expect("4");
    // A hint makes the gateway request the origin again.
    let mut client = waits(&site, GET, wait("news"));
    site.publish("news", "http-response", &json!({ "action": "hint" }));
    let again = site.gateway.origin.post();
    assert_eq!(again.field("Grip-Last"), None);
    again.answer(Answer::page(404, "text/plain", b"gone".to_vec()));
    assert_status(&client.head(), 404);
    client.expect("gone");
}

/// The gateway has not kept the body, so it cannot repeat the request.
#[test]
fn a_request_with_a_body_gets_the_answer_of_the_origin_and_is_not_repeated() {
    let site = Site::new();
    let post = "POST /feed HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    let mut client = waits(&site, post, wait("news"));
    site.publish("news", "http-response", &json!({ "action": "hint" }));
    assert_status(&client.head(), 200);
    client.expect("nothing new\n");
}

/// In the form that `create_hold_response` of gripcontrol writes.
#[test]
fn an_origin_may_send_the_instruction_in_the_body() {
    let site = Site::new();
    let said = json!({
        "hold": { "mode": "response", "channels": [{ "name": "news" }], "timeout": 1 },
        "response": { "code": 202, "headers": { "X-Other": "origin's" }, "body": "nothing\n" },
    });
    let answer = |said: &str| {
        let body = said.as_bytes().to_vec();
        Answer::page(200, "application/grip-instruct", body).with("X-Hidden", "x")
    };
    let mut client = waits(&site, GET, answer(&said.to_string()));
    site.publish("news", "http-response", &json!({ "body": "news\n" }));
    let head = client.head();
    assert_status(&head, 200);
    assert_eq!(field(&head, "X-Other"), Some("origin's"), "{head}");
    assert_eq!(field(&head, "X-Hidden"), None, "{head}");
    client.expect("news\n");
    let head = site.gets_again(&mut client, GET, answer(&said.to_string()));
    assert_status(&head, 202);
    client.expect("nothing\n");
    let head = site.gets_again(&mut client, GET, answer("{"));
    assert_status(&head, 502);
}
