//! Detection of the protocol of a connection from its first bytes.

mod client_hello;

use self::client_hello::begins_sslv2;
pub use self::client_hello::{ClientHello, ClientHelloError};

/// The protocol that the first bytes of a connection indicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstBytes {
    /// Too few bytes to decide.
    TooFew,
    /// A request of HTTP/1: a method of capital letters and a space.
    Http1,
    /// The connection preface of HTTP/2 (RFC 9113 §3.4).
    Http2,
    /// The beginning of TLS: a record with a handshake (RFC 8446 §5.1), or the SSLv2 format in
    /// which old clients request TLS (RFC 5246 appendix E.2).
    Tls,
    /// A socket policy request of Flash.
    FlashPolicy,
    /// None of these: it may be another protocol.
    Unknown,
}

impl FirstBytes {
    /// Classifies the bytes received so far; after `TooFew`, call it again with more.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            // Possibly the first half of an empty line, which is ignored before a request.
            [] | [b'\r'] => Self::TooFew,
            [0x16, ..] => Self::Tls,
            _ if begins_sslv2(bytes) => match bytes.len() {
                ..=3 => Self::TooFew,
                _ => Self::Tls,
            },
            [b'<', ..] => policy_request(bytes),
            _ if bytes.starts_with(PREFACE) => Self::Http2,
            _ if PREFACE.starts_with(bytes) => Self::TooFew,
            _ => {
                let letters = bytes.iter().take_while(|byte| byte.is_ascii_uppercase());
                let letters = letters.take(MAX_METHOD + 1).count();
                match bytes.get(letters) {
                    _ if letters > MAX_METHOD => Self::Unknown,
                    None => Self::TooFew,
                    Some(b' ') if letters >= 3 => Self::Http1,
                    Some(_) => Self::Unknown,
                }
            }
        }
    }
}

/// Recognises `<policy-file-request/>`, in any case and with an optional space before the slash, as
/// Flash and its imitations send it. The NUL after it may arrive later.
fn policy_request(bytes: &[u8]) -> FirstBytes {
    let spellings = [&b"<policy-file-request/>"[..], b"<policy-file-request />"];
    let begins = |long: &[u8], short: &[u8]| {
        long.get(..short.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(short))
    };
    if spellings.iter().any(|spelling| begins(bytes, spelling)) {
        FirstBytes::FlashPolicy
    } else if spellings.iter().any(|spelling| begins(spelling, bytes)) {
        FirstBytes::TooFew
    } else {
        FirstBytes::Unknown
    }
}

/// The HTTP/2 connection preface (RFC 9113 §3.4), up to where it differs from any HTTP/1 request.
const PREFACE: &[u8] = b"PRI * HTTP/2";

/// The most letters of a method: the longest of RFC 9110 has seven.
const MAX_METHOD: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_identify_the_kind_of_connection() {
        for (bytes, expected) in [
            (&b""[..], FirstBytes::TooFew),
            (b"\r", FirstBytes::TooFew),
            (b"G", FirstBytes::TooFew),
            (b"GET", FirstBytes::TooFew),
            (b"GET ", FirstBytes::Http1),
            (b"OPTIONS ", FirstBytes::Http1),
            (b"P", FirstBytes::TooFew),
            (b"PUT ", FirstBytes::Http1),
            (b"PRI ", FirstBytes::TooFew),
            (b"PRI * HTTP/2.0\r\n", FirstBytes::Http2),
            (b"PRI /", FirstBytes::Http1),
            (b"\x16\x03\x01", FirstBytes::Tls),
            (b"<pol", FirstBytes::TooFew),
            (b"<policy-file-request/>", FirstBytes::FlashPolicy),
            (b"<POLICY-file-request />\0", FirstBytes::FlashPolicy),
            (b"<html>", FirstBytes::Unknown),
            (b"get ", FirstBytes::Unknown),
            (b"PROPFINDX ", FirstBytes::Unknown),
            (b"SSH-2.0", FirstBytes::Unknown),
            (b"\x80\x2e\x01", FirstBytes::TooFew),
            (b"\x80\x2e\x01\x03", FirstBytes::Tls),
            (b"\x80\x2e\x01\0\x02", FirstBytes::Unknown),
            (b"\xff\xfd\x03", FirstBytes::Unknown),
            (b" ", FirstBytes::Unknown),
        ] {
            assert_eq!(FirstBytes::of(bytes), expected, "{bytes:?}");
        }
    }
}
