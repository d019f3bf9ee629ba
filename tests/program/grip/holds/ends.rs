//! The ends of held requests without a `close` action.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use polysock_test_support::grip::Answer;
use polysock_test_support::opening::{assert_status, field};

use super::{END, GET, Site, held, piece};

/// The longest time that a server with nothing to wait for may take to exit.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_held_request_is_released_when_its_client_disconnects() {
    let mut site = Site::new();
    let (mut stream, _) = site.gets(GET, held("stream", "news", "x"), 200);
    stream.expect(piece("x"));
    drop(stream);
    let line = site.gateway.server.log_line(" request ");
    assert!(line.contains("complete=false"), "{line}");
    let (poll, post) = site.gateway.asks(GET);
    post.answer(held("response", "news", ""));
    drop(poll);
    // A poll without an answer is visible only to its origin. The next request is served as usual.
    let answer = Answer::page(200, "text/plain", b"next".to_vec());
    let (mut client, _) = site.gets(GET, answer, 200);
    client.expect("next");
    drop(client);
    site.gateway.server.stop();
}

#[test]
fn a_client_that_reads_too_slowly_is_cut_off() {
    let settings = "queue = { bytes = \"64KiB\", overflow = \"disconnect\" }\n";
    let mut site = Site::with("held-slow", settings);
    let (client, _) = site.gets(GET, held("stream", "news", ""), 200);
    let mut other = site.streams("news");
    let content = "x".repeat(60_000);
    let (before, _) = site.gateway.server.memory();
    for _ in 0..300 {
        site.stream("news", &content);
        other.expect(piece(&content));
    }
    let (after, _) = site.gateway.server.memory();
    assert!(after < before + (8 << 20), "{before}, and then {after}");
    // Data in flight arrives, and then the stream ends without a last chunk.
    let mut rest = Vec::new();
    if let Err(error) = client.stream().read_to_end(&mut rest) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    assert!(rest.len() < 300 * content.len(), "{}", rest.len());
    assert!(!rest.ends_with(END.as_bytes()));
    site.gateway.server.log_line("complete=false");
}

#[test]
fn a_shutdown_ends_streams_and_answers_polls() {
    let mut site = Site::new();
    let (mut stream, _) = site.gets(GET, held("stream", "news", "first"), 200);
    stream.expect(piece("first"));
    let (mut poll, post) = site.gateway.asks(GET);
    post.answer(held("response", "news", "nothing new\n"));
    site.settles();
    site.gateway.server.signal("TERM");
    stream.expect(END);
    let head = poll.head();
    assert_status(&head, 200);
    assert_eq!(field(&head, "Connection"), Some("close"), "{head}");
    assert_eq!(poll.rest(), b"nothing new\n");
    drop((stream, poll));
    let (code, log) = site.gateway.server.ends_within(SOON);
    assert_eq!(code, Some(0), "{log}");
}
