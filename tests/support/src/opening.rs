//! Opening handshakes as text, and functions for the heads of answers.

/// A request of RFC 6455, with the key of the RFC's example.
pub const RFC6455: &str = "GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// The `Sec-WebSocket-Accept` for the key of that example.
pub const RFC6455_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A request of hixie-76 without its eight bytes, with the keys of the draft's example.
pub const HIXIE_76: &str = "GET /demo HTTP/1.1\r\n\
    Host: example.com\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\
    Upgrade: WebSocket\r\n\
    Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
    Origin: http://example.com\r\n\r\n";

/// The eight bytes of that example.
pub const HIXIE_76_BODY: &[u8] = b"^n:ds[4U";

/// The digest for the keys and the eight bytes of that example.
pub const HIXIE_76_DIGEST: &[u8] = b"8jKS'y:G*Co,Wxa-";

/// A request of hixie-75.
pub const HIXIE_75: &str = "GET /demo HTTP/1.1\r\n\
    Upgrade: WebSocket\r\n\
    Connection: Upgrade\r\n\
    Host: example.com\r\n\
    Origin: http://example.com\r\n\r\n";

/// Returns the request of RFC 6455 with another version and additional fields.
pub fn versioned(version: &str, fields: &str) -> String {
    let request = RFC6455.replace("Version: 13", &format!("Version: {version}"));
    with(&request, fields)
}

/// Adds fields to a head. Each field ends with CRLF.
pub fn with(head: &str, fields: &str) -> String {
    let lines = head.strip_suffix("\r\n").expect("a head");
    format!("{lines}{fields}\r\n")
}

/// Returns the value of a field, which must not be repeated.
#[track_caller]
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut values = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value);
    let value = values.next();
    assert_eq!(values.next(), None, "a second {name} in\n{head}");
    value
}

/// Expects this status in the head of an answer.
#[track_caller]
pub fn assert_status(head: &str, status: u16) {
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
}
