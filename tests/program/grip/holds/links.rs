//! Streams that continue at a `Grip-Link`.

use polysock_test_support::grip::Answer;
use polysock_test_support::opening::field;
use serde_json::json;

use super::{END, GET, Site, held, piece};
use crate::grip::SILENCE;

#[test]
fn a_stream_that_missed_an_item_continues_at_its_link() {
    let site = Site::new();
    let answer = held("stream", "news; prev-id=1", "1")
        .with("Grip-Link", "</feed?after=1>; rel=next; timeout=60");
    let (mut client, _) = site.gets(GET, answer, 200);
    client.expect(piece("1"));
    site.number("news", "2", Some("1"));
    client.expect(piece("[2]"));
    site.number("news", "5", Some("4"));
    let next = site.gateway.origin.post();
    assert_eq!(next.line, "GET /feed?after=1 HTTP/1.1");
    assert_eq!(next.field("Host"), Some("a.example"));
    assert_eq!(next.field("Grip-Last"), Some("news; last-id=2"));
    // Messages that are published meanwhile are delivered exactly once.
    site.number("news", "6", Some("5"));
    site.number("news", "7", Some("6"));
    let answer =
        held("stream", "news; prev-id=6", "3456").with("Grip-Link", "<?after=6>; rel=next");
    next.answer(answer);
    client.expect(piece("3456"));
    client.expect(piece("[7]"));
    site.publish("news", "http-stream", &json!({ "action": "hint" }));
    let next = site.gateway.origin.post();
    assert_eq!(next.line, "GET /feed?after=6 HTTP/1.1");
    next.answer(held("stream", "news", "8"));
    client.expect(piece("8"));
    site.stream("news", "9");
    client.expect(piece("9"));
}

#[test]
fn a_stream_requests_its_link_periodically() {
    let site = Site::new();
    let link = "</next>; rel=next; timeout=1";
    let answer = held("stream", "news; prev-id=1", "1").with("Grip-Link", link);
    let (mut client, _) = site.gets(GET, answer, 200);
    client.expect(piece("1"));
    let next = site.gateway.origin.post();
    assert_eq!(next.line, "GET /next HTTP/1.1");
    // If the origin fails, the gateway requests the link again.
    next.answer(Answer::page(503, "text/plain", Vec::new()));
    let next = site.gateway.origin.post();
    assert_eq!(next.line, "GET /next HTTP/1.1");
    next.answer(Answer::page(200, "text/plain", b"last".to_vec()));
    client.expect(piece("last"));
    client.expect(END);
}

#[test]
fn linked_pages_are_concatenated() {
    let site = Site::new();
    let page = |body: &str| Answer::page(200, "text/plain", body.as_bytes().to_vec());
    let first = page("1").with("Grip-Link", "</two>; rel=next");
    let (mut client, head) = site.gets(GET, first, 200);
    assert_eq!(field(&head, "Content-Length"), None, "{head}");
    client.expect(piece("1"));
    let next = site.gateway.origin.post();
    assert_eq!(next.line, "GET /two HTTP/1.1");
    next.answer(page("2").with("Grip-Link", "</three>; rel=next"));
    client.expect(piece("2"));
    site.gateway.origin.post().answer(page("3"));
    client.expect(piece("3"));
    client.expect(END);
}

#[test]
fn a_link_to_another_host_ends_the_stream() {
    let mut site = Site::new();
    let link = "<http://elsewhere.example/>; rel=next; timeout=60";
    let answer = held("stream", "news; prev-id=1", "1").with("Grip-Link", link);
    let (mut client, _) = site.gets(GET, answer, 200);
    client.expect(piece("1"));
    site.number("news", "5", Some("4"));
    client.expect(END);
    site.gateway.origin.is_left_alone(SILENCE);
    site.gateway
        .server
        .log_line("Grip-Link leads to another host");
}
