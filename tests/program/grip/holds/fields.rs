//! The fields that the origin, the gateway and clients exchange.

use polysock_test_support::grip::{Answer, EVENTS};
use polysock_test_support::opening::{assert_status, field, with};
use serde_json::json;

use super::{GET, Site, held, stream};
use crate::grip::signature::{KEY, claims};
use crate::grip::{Gateway, SILENCE};

#[test]
fn grip_fields_pass_only_between_gateway_and_origin() {
    let gateway = Gateway::new(&["--grip-key", KEY, "--publish", "127.0.0.1:0"]);
    let site = Site::over(gateway);
    let forged = "Grip-Sig: forged\r\nGrip-Last: a; last-id=1\r\nGrip-Feature: all\r\n";
    let (mut client, post) = site.gateway.asks(with(GET, forged));
    assert_eq!(post.line, "GET /feed?x=1 HTTP/1.1");
    assert_eq!(
        claims(post.field("Grip-Sig").unwrap(), KEY.as_bytes())["iss"],
        "polysock"
    );
    assert_eq!(post.field("Grip-Last"), None);
    assert_eq!(
        post.field("Grip-Feature"),
        Some("status, link:next, filter:skip-self")
    );
    // The request is not held, and the client gets no GRIP field.
    let answer = Answer::page(200, "text/plain", b"page".to_vec());
    post.answer(answer.with("Grip-Channel", "news").with("Grip-Other", "x"));
    let head = client.head();
    assert_status(&head, 200);
    assert!(!head.to_lowercase().contains("grip-"), "{head}");
    assert_eq!(field(&head, "Content-Length"), Some("4"), "{head}");
    client.expect("page");
}

#[test]
fn a_client_that_claims_to_be_a_gateway_is_refused() {
    let site = Site::new();
    let post = "POST /feed HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n";
    for named in ["Content-Type", "Accept"] {
        let fields = format!("{named}: {EVENTS}\r\nConnection-Id: 1\r\nMeta-User: admin\r\n");
        let (_client, head) = site.gateway.server.ask(with(post, &fields) + "OPEN\r\n");
        assert_status(&head, 403);
    }
    site.gateway.origin.is_left_alone(SILENCE);
}

#[test]
fn invalid_hold_instructions_are_a_bad_gateway_and_logged() {
    let mut site = Site::new();
    let bare = || Answer::page(200, "text/plain", b"secret".to_vec());
    for (answer, named) in [
        (
            bare()
                .with("Grip-Hold", "forever")
                .with("Grip-Channel", "a"),
            "Grip-Hold",
        ),
        (bare().with("Grip-Hold", "stream"), "Grip-Channel"),
        (held("response", ",", ""), "Grip-Channel"),
        (
            held("response", "a", "").with("Grip-Timeout", "soon"),
            "Grip-Timeout",
        ),
        (
            held("stream", "a", "").with("Grip-Keep-Alive", "x; mode=y"),
            "Grip-Keep-Alive",
        ),
        (
            held("stream", "a", "").with("Grip-Status", "abc"),
            "Grip-Status",
        ),
        (held("stream", "a; prev-id=1", ""), "Grip-Link"),
        (
            held("stream", "a", "").with("Content-Encoding", "gzip"),
            "Content-Encoding",
        ),
    ] {
        let (mut client, head) = site.gets(GET, answer, 502);
        assert!(!head.to_lowercase().contains("grip-"), "{named}: {head}");
        let body = client.take(field(&head, "Content-Length").unwrap().parse().unwrap());
        assert!(!body.windows(6).any(|part| part == b"secret"), "{named}");
        let line = site.gateway.server.log_line("request not passed on");
        assert!(line.contains(named), "{named}: {line}");
    }
}

#[test]
fn an_answer_without_a_body_is_not_held() {
    let site = Site::new();
    let head_of = GET.replace("GET", "HEAD");
    for mode in ["stream", "response"] {
        let (mut client, head) = site.gets(&head_of, held(mode, "news", "body"), 200);
        assert!(!head.to_lowercase().contains("grip-"), "{head}");
        let answer = Answer::page(200, "text/plain", Vec::new());
        assert_status(&site.gets_again(&mut client, &head_of, answer), 200);
    }
    let instruct = Answer::page(200, "application/grip-instruct", Vec::new());
    site.gets(&head_of, instruct, 200);
    let empty = stream("news").with("Grip-Status", "204");
    let (mut client, _) = site.gets(GET, empty, 204);
    site.publish("news", "http-stream", &json!({ "content": "x" }));
    let answer = Answer::page(200, "text/plain", b"next".to_vec());
    assert_status(&site.gets_again(&mut client, GET, answer), 200);
    client.expect("next");
}
