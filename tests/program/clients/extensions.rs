//! The negotiation of extensions: at most one kind of compression is accepted.

use polysock_test_support::frame::frame;
use polysock_test_support::opening::{field, versioned};
use polysock_test_support::server::Server;

use super::{assert_echo, open, server};
use crate::POLYSOCK;

/// The compressed `Hello`, the same bytes in both kinds.
const DEFLATED: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

#[track_caller]
fn assert_accepted(version: &str, offer: &str, answer: &str) {
    let server = server();
    let offer = format!("Sec-WebSocket-Extensions: {offer}\r\n");
    let (mut client, head) = open(&server, versioned(version, &offer));
    assert_eq!(field(&head, "Sec-WebSocket-Extensions"), Some(answer));
    assert_echo(&mut client, "Hello");
    client.send(frame(0xc1, DEFLATED));
    client.expect(b"\x81\x05Hello");
    // The operator can switch compression off.
    let without = POLYSOCK.echo(&["--origin", "*", "--compression", "off"]);
    assert_declined(&without, version, &offer);
}

#[track_caller]
fn assert_declined(server: &Server, version: &str, offer: &str) {
    let (mut client, head) = open(server, versioned(version, offer));
    assert_eq!(field(&head, "Sec-WebSocket-Extensions"), None);
    assert_echo(&mut client, "Hello");
    // RSV1 was not negotiated: a compressed frame is refused.
    client.send(frame(0xc1, DEFLATED));
    let close = client.rest();
    assert_eq!(close[..1], [0x88]);
    assert_eq!(close[2..4], 1002u16.to_be_bytes());
}

/// The answer to permessage-deflate.
const PERMESSAGE_DEFLATE: &str = "permessage-deflate; server_no_context_takeover";

#[test]
fn accepts_the_compression_of_chromium() {
    let offer = "permessage-deflate; client_max_window_bits";
    assert_accepted("13", offer, PERMESSAGE_DEFLATE);
}

#[test]
fn accepts_one_of_the_two_compressions_of_chrome_32() {
    let offer = "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame";
    assert_accepted("13", offer, PERMESSAGE_DEFLATE);
}

#[test]
fn accepts_the_compression_of_firefox() {
    assert_accepted("13", "permessage-deflate", PERMESSAGE_DEFLATE);
}

#[test]
fn accepts_the_compression_of_qtwebkit_and_phantomjs_2() {
    let answer = "x-webkit-deflate-frame";
    assert_accepted("13", "x-webkit-deflate-frame", answer);
}

#[test]
fn accepts_the_compression_of_pywebsocket() {
    let answer = "deflate-frame";
    assert_accepted("13", "deflate-frame", answer);
}

#[test]
fn accepts_the_compression_that_ws_0_7_offers_in_version_8() {
    let offer = "permessage-deflate; client_max_window_bits";
    assert_accepted("8", offer, PERMESSAGE_DEFLATE);
}

#[test]
fn declines_the_deflate_stream_of_firefox_6() {
    let offer = "Sec-WebSocket-Extensions: deflate-stream\r\n";
    for version in ["7", "8", "13"] {
        assert_declined(&server(), version, offer);
    }
}

#[test]
fn declines_the_empty_offer_of_libwebsockets() {
    assert_declined(&server(), "13", "Sec-WebSocket-Extensions: \r\n");
}
