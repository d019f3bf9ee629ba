//! The protocols that `polysock serve` accepts, and the message limits.

use polysock_test_support::frame::frame;
use polysock_test_support::opening::{
    HIXIE_76, HIXIE_76_BODY, HIXIE_76_DIGEST, RFC6455, versioned, with,
};

use crate::POLYSOCK;

#[test]
fn admits_the_listed_origins_and_clients_without_one_if_listed() {
    let one = POLYSOCK.echo(&["--origin", "http://a.example"]);
    let two = POLYSOCK.echo(&["--origin", "http://a.example", "--origin", "none"]);
    let any = POLYSOCK.echo(&["--origin", "*"]);
    let all = POLYSOCK.echo(&[]);
    for (origin, expected) in [
        (Some("http://a.example"), [101, 101, 101, 101]),
        (Some("HTTP://A.example"), [101, 101, 101, 101]),
        (Some("http://b.example"), [403, 403, 101, 101]),
        (Some("http://a.example.evil"), [403, 403, 101, 101]),
        (Some("https://a.example"), [403, 403, 101, 101]),
        (Some("null"), [403, 403, 101, 101]),
        (None, [403, 101, 101, 101]),
    ] {
        let field = origin.map_or_else(String::new, |origin| format!("Origin: {origin}\r\n"));
        let rfc6455 = with(RFC6455, &field);
        let hixie_76 = HIXIE_76.replace("Origin: http://example.com\r\n", &field);
        let hixie_76 = [hixie_76.as_bytes(), HIXIE_76_BODY].concat();
        for (server, status) in [&one, &two, &any, &all].into_iter().zip(expected) {
            server.answers(&rfc6455, status);
            server.answers(&hixie_76, status);
        }
    }
}

#[test]
fn closes_on_a_message_over_the_limit() {
    let server = POLYSOCK.echo(&["--max-message", "1KiB"]);
    let (fits, over) = (vec![b'x'; 1024], vec![b'x'; 1025]);
    let halves = [frame(0x01, &fits[..600]), frame(0x80, &fits[..600])].concat();
    // The header announces too much: the server does not wait for the payload.
    let announced = [b"\x81\xff\0\0\x01\0\0\0\0\0\0\0\0\0", &over[..]].concat();
    for (version, code) in [("13", 1009u16), ("8", 1004), ("7", 1004)] {
        for message in [&frame(0x81, &over), &halves, &announced] {
            let (mut client, _) = server.answers(versioned(version, ""), 101);
            client.send(frame(0x81, &fits));
            client.expect(b"\x81\x7e\x04\x00");
            client.expect(&fits);
            client.send(message);
            let close = client.rest();
            assert_eq!(close[0], 0x88);
            assert_eq!(close[2..4], code.to_be_bytes(), "version {version}");
        }
    }
    let (mut client, _) = server.answers([HIXIE_76.as_bytes(), HIXIE_76_BODY].concat(), 101);
    client.expect(HIXIE_76_DIGEST);
    let fits = [b"\0", &fits[..], b"\xff"].concat();
    client.send(&fits);
    client.expect(&fits);
    client.send([b"\0", &over[..]].concat());
    assert_eq!(client.rest(), b"\xff\0");
}

#[test]
fn closes_on_a_frame_over_the_limit_and_on_a_fragment_too_many() {
    let server = POLYSOCK.echo(&["--max-frame", "10", "--max-fragments", "3"]);
    let first = || frame(0x01, "0123456789");
    let next = |last: u8| frame(last, "0123456789");
    let (mut client, _) = server.answers(RFC6455, 101);
    client.send([first(), next(0), next(0x80)].concat());
    client.expect([b"\x81\x1e", "0123456789".repeat(3).as_bytes()].concat());
    client.send(frame(0x81, "0123456789a"));
    let close = client.rest();
    assert_eq!(close[2..4], 1009u16.to_be_bytes());
    let (mut client, _) = server.answers(RFC6455, 101);
    client.send([first(), next(0), next(0), next(0x80)].concat());
    let close = client.rest();
    assert_eq!(close[2..4], 1008u16.to_be_bytes());
}
