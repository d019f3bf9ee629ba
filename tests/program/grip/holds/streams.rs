//! Requests that are held as streams.

use std::time::{Duration, Instant};

use bytes::Bytes;
use polysock_test_support::grip::Answer;
use polysock_test_support::http2;
use polysock_test_support::opening::field;
use serde_json::json;

use super::{END, GET, Site, held, piece, stream};

#[test]
fn a_publication_is_appended_to_a_held_stream() {
    let site = Site::new();
    let answer = held("stream", "news, weather", "first\n").with("Set-Cookie", "a=b");
    let (mut client, head) = site.gets(GET, answer, 200);
    assert_eq!(field(&head, "Transfer-Encoding"), Some("chunked"), "{head}");
    for (name, value) in [
        ("Content-Length", None),
        ("Set-Cookie", Some("a=b")),
        ("Content-Type", Some("text/plain")),
    ] {
        assert_eq!(field(&head, name), value, "{name}: {head}");
    }
    assert!(!head.to_lowercase().contains("grip-"), "{head}");
    client.expect(piece("first\n"));
    site.stream("news", "h\u{e9}\n");
    client.expect(piece("h\u{e9}\n"));
    // Items for other formats or other channels, and empty content.
    site.publish(
        "news",
        "ws-message",
        &json!({ "content": "for WebSockets" }),
    );
    site.publish("news", "http-response", &json!({ "body": "for polls" }));
    site.stream("news", "");
    site.stream("elsewhere", "x");
    let binary = json!({ "content-bin": "AP8=" });
    site.publish("weather", "http-stream", &binary);
    client.expect(b"2\r\n\0\xff\r\n");
    site.publish("weather", "http-stream", &json!({ "action": "close" }));
    client.expect(END);
    // The connection serves requests as before.
    let answer = Answer::page(200, "text/plain", b"next".to_vec());
    let head = site.gets_again(&mut client, GET, answer);
    assert_eq!(field(&head, "Content-Length"), Some("4"), "{head}");
    client.expect("next");
}

#[test]
fn a_request_of_any_method_may_arrive_in_pieces() {
    let site = Site::new();
    let mut client = site.gateway.server.connect();
    client.send_bytewise("POST /feed HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    let post = site.gateway.origin.post();
    assert_eq!(
        (&*post.line, &*post.body),
        ("POST /feed HTTP/1.1", &b"hi"[..])
    );
    post.answer(held("stream", "news", "").with("Grip-Status", "202 Going on"));
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 202 "), "{head}");
    site.stream("news", "x");
    client.expect(piece("x"));
}

#[test]
fn a_published_text_becomes_an_event_or_a_line() {
    let site = Site::new();
    let events = Answer::page(200, "text/event-stream; charset=utf-8", Vec::new())
        .with("Grip-Hold", "stream")
        .with("Grip-Channel", "news");
    let (mut events, _) = site.gets(GET, events, 200);
    let mut lines = site.streams("news");
    let mut poll = site.gateway.server.connect();
    poll.send(GET);
    let post = site.gateway.origin.post();
    post.answer(held("response", "news", "").with("Grip-Timeout", "60"));
    site.settles();
    site.publisher.say("news", "one\ntwo");
    events.expect(piece("data: one\ndata: two\n\n"));
    lines.expect(piece("one\ntwo\n"));
    let head = poll.head();
    assert_eq!(field(&head, "Content-Length"), Some("7"), "{head}");
    poll.expect("one\ntwo");
    // Content of GRIP items is sent unchanged.
    site.stream("news", "event: x\ndata: y\n\n");
    events.expect(piece("event: x\ndata: y\n\n"));
    lines.expect(piece("event: x\ndata: y\n\n"));
}

#[test]
fn a_stream_with_skip_self_does_not_get_its_own_message() {
    let site = Site::new();
    let mine = held("stream", "news; filter=skip-self", "").with("Grip-Set-Meta", "user=\"ann\"");
    let (mut mine, _) = site.gets(GET, mine, 200);
    let mut others = site.streams("news");
    for (sender, said) in [("ann", "hers"), ("bob", "his")] {
        let formats = json!({ "http-stream": { "content": said } });
        let meta = json!({ "sender": sender });
        let item = json!({ "channel": "news", "meta": meta, "formats": formats });
        site.publisher.publish(&[item]);
    }
    mine.expect(piece("his"));
    others.expect(piece("hers"));
    others.expect(piece("his"));
}

#[test]
fn a_stream_is_kept_alive() {
    let site = Site::new();
    let second = Duration::from_secs(1);
    let keep_alive = "\\n; format=cstring; timeout=1";
    let (mut idle, _) = site.gets(GET, stream("news").with("Grip-Keep-Alive", keep_alive), 200);
    let began = Instant::now();
    let interval = stream("news").with(
        "Grip-Keep-Alive",
        "Og==; format=base64; timeout=1; mode=interval",
    );
    let (mut interval, _) = site.gets(GET, interval, 200);
    std::thread::sleep(second * 7 / 10);
    site.stream("news", "x");
    idle.expect(piece("x"));
    interval.expect(piece("x"));
    interval.expect(piece(":"));
    // The idle time restarts with each message.
    idle.expect(piece("\n"));
    assert!(began.elapsed() > second * 16 / 10, "{:?}", began.elapsed());
    idle.expect(piece("\n"));
    interval.expect(piece(":"));
}

#[test]
fn a_client_of_http_1_0_gets_the_stream_until_the_connection_ends() {
    let site = Site::new();
    let request = "GET /feed HTTP/1.0\r\nHost: a\r\n\r\n";
    let answer = held("stream", "news", "first\n");
    let (mut client, post) = site.gateway.asks(request);
    post.answer(answer);
    let head = client.head();
    assert!(head.contains(" 200 "), "{head}");
    assert_eq!(field(&head, "Transfer-Encoding"), None, "{head}");
    assert_eq!(field(&head, "Content-Length"), None, "{head}");
    client.expect("first\n");
    site.stream("news", "second\n");
    client.expect("second\n");
    site.publish("news", "http-stream", &json!({ "action": "close" }));
    assert_eq!(client.rest(), b"");
}

#[test]
fn http_2_streams_are_held_simultaneously() {
    http2::run(async {
        let site = Site::new();
        let mut peer = http2::Peer::connect(site.gateway.server.address).await;
        let stream = peer.asks("GET", "/feed").await;
        let post = site.gateway.origin.post();
        assert_eq!(post.field("Host"), Some("localhost"));
        post.answer(held("stream", "news", "first\n"));
        let mut stream = stream.await.unwrap().into_body();
        let poll = peer.asks("GET", "/poll").await;
        let post = site.gateway.origin.post();
        post.answer(held("response", "news", "").with("Grip-Timeout", "60"));
        assert_eq!(
            stream.data().await.unwrap().unwrap(),
            Bytes::from("first\n")
        );
        site.settles();
        site.number("news", "1", None);
        assert_eq!(stream.data().await.unwrap().unwrap(), Bytes::from("[1]"));
        let (answer, body) = http2::whole(poll.await.unwrap()).await;
        assert_eq!((answer.status().as_u16(), &*body), (200, &b"[1]"[..]));
        site.publish("news", "http-stream", &json!({ "action": "close" }));
        assert!(
            stream
                .data()
                .await
                .is_none_or(|data| data.unwrap().is_empty())
        );
        assert!(stream.is_end_stream());
    });
}
