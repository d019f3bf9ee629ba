//! The head of an extended CONNECT on a stream of HTTP/2 (RFC 8441 §4).

use bytes::BytesMut;

use super::grammar::{is_token_byte, is_value_byte};
use super::{Head, HeadLimits, Span};
use crate::error::{HandshakeError, HeadError, Malformed};

impl Head {
    /// Writes an extended CONNECT as RFC 9113 requires for forwarding HTTP/2 to HTTP/1: the
    /// authority becomes the `Host` field (§8.3.1), and the cookies are joined in one field
    /// (§8.2.3). The first line is `CONNECT path HTTP/2`.
    ///
    /// # Errors
    ///
    /// The head exceeds the limits, has characters that RFC 9113 §8.2.1 forbids, or its `Host`
    /// differs from the authority.
    pub fn of_connect<'a>(
        authority: Option<&[u8]>,
        path: &[u8],
        fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        limits: &HeadLimits,
    ) -> Result<Self, HandshakeError> {
        let mut text = Text::default();
        let start = [
            text.put(b"CONNECT", b" "),
            text.put(path, b" "),
            text.put(b"HTTP/2", b"\r\n"),
        ];
        let limit = limits.head;
        if path.len() > limit {
            return Err(HeadError::FirstLineTooLong { limit }.into());
        }
        if !path.iter().all(u8::is_ascii_graphic) {
            return Err(HeadError::from(Malformed::Target).into());
        }
        let mut cookies = BytesMut::new();
        let mut spans = Vec::with_capacity(16);
        let mut add = |name: &[u8], value: &[u8]| {
            if !name.iter().copied().all(is_token_byte) {
                return Err(HeadError::Malformed(Malformed::FieldLine));
            }
            if !value.iter().copied().all(is_value_byte) {
                return Err(HeadError::Malformed(Malformed::Control));
            }
            if spans.len() == limits.fields {
                let limit = limits.fields;
                return Err(HeadError::TooManyFields { limit });
            }
            spans.push((text.put(name, b": "), text.put(value, b"\r\n")));
            if text.0.len() > limit {
                return Err(HeadError::TooLong { limit });
            }
            Ok(())
        };
        if let Some(authority) = authority {
            add(b"host", authority)?;
        }
        for (name, value) in fields {
            if name == b"cookie" {
                if !cookies.is_empty() {
                    cookies.extend_from_slice(b"; ");
                }
                cookies.extend_from_slice(value);
            } else if let (b"host", Some(authority)) = (name, authority) {
                if !value.eq_ignore_ascii_case(authority) {
                    return Err(HandshakeError::Host);
                }
            } else {
                add(name, value)?;
            }
        }
        if !cookies.is_empty() {
            add(b"cookie", &cookies)?;
        }
        text.put(b"", b"\r\n");
        Ok(Self {
            bytes: text.0.freeze(),
            start,
            fields: spans,
            bare_lf: false,
            followed: false,
        })
    }

    /// True if this is the head of an extended CONNECT, from [`of_connect`](Self::of_connect).
    pub fn is_connect(&self) -> bool {
        self.part(2) == b"HTTP/2"
    }
}

/// The text of a head that is being written.
#[derive(Default)]
struct Text(BytesMut);

impl Text {
    /// Appends a part and its terminator; returns the position of the part.
    fn put(&mut self, part: &[u8], behind: &[u8]) -> Span {
        let start = self.0.len();
        self.0.extend_from_slice(part);
        let end = self.0.len();
        self.0.extend_from_slice(behind);
        Span { start, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(
        authority: Option<&str>,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Head, HandshakeError> {
        let fields = fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
        let limits = HeadLimits {
            head: 200,
            fields: 4,
        };
        let authority = authority.map(str::as_bytes);
        Head::of_connect(authority, path.as_bytes(), fields, &limits)
    }

    #[test]
    fn a_head_has_one_host_and_one_cookie_field() {
        let head = connect(
            Some("a.example"),
            "/chat?x",
            &[
                ("cookie", "a=1"),
                ("host", "A.example"),
                ("origin", "null"),
                ("cookie", "b=2"),
            ],
        );
        let head = head.unwrap();
        let text =
            "CONNECT /chat?x HTTP/2\r\nhost: a.example\r\norigin: null\r\ncookie: a=1; b=2\r\n\r\n";
        assert_eq!(head.as_bytes(), text);
        assert_eq!(
            (head.method(), head.target()),
            (&b"CONNECT"[..], &b"/chat?x"[..])
        );
        assert_eq!(head.value("Cookie"), Some(&b"a=1; b=2"[..]));
        assert!(head.is_connect() && !head.is_http11());
        let host = connect(None, "/", &[("host", "b")]).unwrap();
        assert_eq!(host.value("host"), Some(&b"b"[..]));
    }

    #[test]
    fn refuses_invalid_or_conflicting_pseudo_fields() {
        let long = "x".repeat(201);
        let malformed = |what| Some(HeadError::Malformed(what).into());
        for (authority, path, fields, error) in [
            ("a", "/", &[("host", "b")][..], Some(HandshakeError::Host)),
            ("a", "/ b", &[], malformed(Malformed::Target)),
            (
                "a",
                &long,
                &[],
                Some(HeadError::FirstLineTooLong { limit: 200 }.into()),
            ),
            ("a\r\nb: c", "/", &[], malformed(Malformed::Control)),
            ("a", "/", &[("b", "c\nd: e")], malformed(Malformed::Control)),
            ("a", "/", &[("b: c", "d")], malformed(Malformed::FieldLine)),
            (
                "a",
                "/",
                &[("b", &long)],
                Some(HeadError::TooLong { limit: 200 }.into()),
            ),
            (
                "a",
                "/",
                &[("b", ""), ("b", ""), ("b", ""), ("b", "")],
                Some(HeadError::TooManyFields { limit: 4 }.into()),
            ),
            (
                "a",
                "/",
                &[("b", &long[..100]), ("b", &long[..100])],
                Some(HeadError::TooLong { limit: 200 }.into()),
            ),
        ] {
            assert_eq!(connect(Some(authority), path, fields).err(), error);
        }
    }
}
