//! The field that contains the origin.

use polysock_test_support::opening::{
    HIXIE_76, HIXIE_76_BODY, HIXIE_76_DIGEST, assert_status, field, versioned,
};
use polysock_test_support::server::Server;

use super::{assert_hixie_76, assert_hixie_echo, server};
use crate::POLYSOCK;

const PAGE: &str = "http://page.example";

#[track_caller]
fn assert_answered(server: &Server, request: &str, status: u16) {
    let (_, head) = server.ask(request);
    assert_status(&head, status);
}

#[test]
fn believes_the_sec_websocket_origin_of_ws_0_4_which_sends_two() {
    let server = POLYSOCK.echo(&["--origin", PAGE]);
    let both = "Origin: 127.0.0.1:8080\r\nSec-WebSocket-Origin: http://page.example\r\n";
    let swapped = "Origin: http://page.example\r\nSec-WebSocket-Origin: 127.0.0.1:8080\r\n";
    assert_answered(&server, &versioned("8", both), 101);
    assert_answered(&server, &versioned("8", swapped), 403);
}

#[test]
fn reads_the_origin_of_version_8_under_both_its_names_and_of_13_under_one() {
    let server = POLYSOCK.echo(&["--origin", PAGE]);
    for (version, name, status) in [
        ("8", "Origin", 101),
        ("8", "Sec-WebSocket-Origin", 101),
        ("13", "Origin", 101),
        ("13", "Sec-WebSocket-Origin", 403),
    ] {
        let origin = format!("{name}: {PAGE}\r\n");
        assert_answered(&server, &versioned(version, &origin), status);
    }
}

#[test]
fn takes_the_origin_of_socketrocket_which_ends_with_a_slash() {
    let server = POLYSOCK.echo(&["--origin", PAGE, "--origin", "https://b.example:443/"]);
    for (origin, status) in [
        ("http://page.example/", 101),
        ("http://page.example:80", 101),
        ("https://b.example", 101),
        ("http://page.example:8080", 403),
        ("https://page.example", 403),
        ("http://page.example/chat", 403),
    ] {
        let origin = format!("Origin: {origin}\r\n");
        for version in ["8", "13"] {
            assert_answered(&server, &versioned(version, &origin), status);
        }
    }
}

#[test]
fn takes_the_origin_of_websocket_client_0_3_which_has_no_scheme() {
    let request = versioned("13", "Origin: 127.0.0.1\r\n");
    assert_answered(&server(), &request, 101);
    let listed = POLYSOCK.echo(&["--origin", "http://127.0.0.1"]);
    assert_answered(&listed, &request, 101);
    assert_answered(&POLYSOCK.echo(&["--origin", PAGE]), &request, 403);
}

#[test]
fn takes_a_hixie_76_client_that_sends_no_origin() {
    let server = server();
    let request = HIXIE_76.replace("Origin: http://example.com\r\n", "");
    let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
    assert_hixie_76(&head);
    assert_eq!(field(&head, "Sec-WebSocket-Origin"), None);
    client.expect(HIXIE_76_DIGEST);
    assert_hixie_echo(&mut client, "Hello");
}
