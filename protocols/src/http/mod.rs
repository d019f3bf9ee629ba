//! Message heads of HTTP/1.1, as strictly as an opening handshake needs them (RFC 9112).
//!
//! Names and values keep their bytes and their order: the hixie protocols count the spaces in their
//! keys, and clients compare echoed values byte for byte.

mod answer;
mod body;
mod connect;
mod end_to_end;
mod grammar;
mod host;
mod scanner;
mod target;
mod writer;

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use memchr::memchr;
use nom::Offset;

pub(crate) use self::answer::AnswerReader;
pub use self::body::BodyScanner;
pub(crate) use self::grammar::is_token_byte;
use self::grammar::{breach, field, start_line};
pub use self::grammar::{is_host, is_token};
pub use self::scanner::{HeadLimits, HeadScanner, empty_lines};
pub use self::target::DotSegment;
pub(crate) use self::target::origin_form;
pub use self::writer::HeadWriter;

use crate::error::{HeadError, Malformed};

/// A range of bytes in a head.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = whole.offset(part);
        Self {
            start,
            end: start.saturating_add(part.len()),
        }
    }

    fn get(self, whole: &[u8]) -> &[u8] {
        whole.get(self.start..self.end).unwrap_or_default()
    }

    /// True if the span is this name, ignoring case. The length alone distinguishes most names.
    fn is_name(self, name: &str, whole: &[u8]) -> bool {
        self.end.saturating_sub(self.start) == name.len()
            && self.get(whole).eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The head of a request or a response: its first line and its fields.
#[derive(Clone)]
pub struct Head {
    bytes: Bytes,
    start: [Span; 3],
    fields: Vec<(Span, Span)>,
    bare_lf: bool,
    followed: bool,
}

impl Head {
    /// Parses the complete head at the beginning of `src` and copies it. Its length, `len`, comes
    /// from [`HeadScanner`].
    ///
    /// # Errors
    ///
    /// The head exceeds the limits, or contains what RFC 9112 forbids and attackers use: line
    /// folding, space before a colon, control characters.
    pub fn parse(src: &[u8], len: usize, limits: &HeadLimits) -> Result<Self, HeadError> {
        let raw = src.get(..len).unwrap_or(src);
        let (rest, start) =
            start_line(raw).map_err(|_| HeadError::Malformed(Malformed::FirstLine))?;
        let is_bare =
            |lines: &[u8], len| !lines.get(..len).is_some_and(|line| line.ends_with(b"\r\n"));
        let len = raw.offset(rest);
        let mut head = Self {
            bytes: Bytes::copy_from_slice(raw),
            start: start.map(|part| Span::of(part, raw)),
            fields: Vec::with_capacity(16),
            bare_lf: is_bare(raw, len),
            followed: src.len() > raw.len(),
        };
        let mut input = rest;
        while !matches!(input, b"\r\n" | b"\n") {
            let (rest, (name, value)) =
                field(input).map_err(|_| HeadError::Malformed(breach(input)))?;
            let len = input.offset(rest);
            if head.fields.len() == limits.fields {
                return Err(HeadError::TooManyFields {
                    limit: limits.fields,
                });
            }
            head.fields
                .push((Span::of(name, raw), Span::of(value, raw)));
            head.bare_lf |= is_bare(input, len);
            input = rest;
        }
        head.bare_lf |= input == b"\n";
        Ok(head)
    }

    /// Parses the head of a request again from its [bytes](Self::as_bytes); `None` if they are not
    /// one.
    pub(crate) fn again(bytes: Bytes) -> Option<Self> {
        let end = memchr(b'\n', &bytes)?;
        let line = bytes.get(..end)?.trim_ascii_end();
        let mut parts = line.splitn(3, |byte| *byte == b' ');
        let mut part = || Some(Span::of(parts.next()?, &bytes));
        let start = [part()?, part()?, part()?];
        let mut fields = Vec::new();
        let mut input = bytes.get(end.checked_add(1)?..)?;
        while let Ok((rest, (name, value))) = field(input) {
            fields.push((Span::of(name, &bytes), Span::of(value, &bytes)));
            input = rest;
        }
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let bare_lf = lines.any(|line| !line.ends_with(b"\r\n"));
        Some(Self {
            start,
            fields,
            bare_lf,
            followed: false,
            bytes,
        })
    }

    /// Returns the bytes of the head with its blank line, as they were received or written.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the method of a request.
    pub fn method(&self) -> &[u8] {
        self.part(0)
    }

    /// Returns the target of a request, unchanged.
    pub fn target(&self) -> &[u8] {
        self.part(1)
    }

    /// Returns the status code of a response; `None` if there is none.
    pub fn status(&self) -> Option<u16> {
        std::str::from_utf8(self.part(1)).ok()?.parse().ok()
    }

    /// Returns the reason phrase of a response.
    pub fn reason(&self) -> &[u8] {
        self.part(2)
    }

    /// True if the version is HTTP/1.1 (not 1.0).
    pub fn is_http11(&self) -> bool {
        [self.part(0), self.part(2)].contains(&&b"HTTP/1.1"[..])
    }

    /// True if a line ends with a bare LF.
    pub fn has_bare_lf(&self) -> bool {
        self.bare_lf
    }

    /// True if more bytes followed the head when it was parsed.
    pub fn is_followed(&self) -> bool {
        self.followed
    }

    /// Returns the name and value of every field, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|(name, value)| (name.get(&self.bytes), value.get(&self.bytes)))
    }

    /// Returns the values of the fields with this name, ignoring case.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(|(other, _)| other.is_name(name, &self.bytes))
            .map(|(_, value)| value.get(&self.bytes))
    }

    /// Returns the value of the first field with this name; `None` if there is none.
    pub fn value<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// Returns the value of a field that may occur only once; `None` if there is none.
    ///
    /// # Errors
    ///
    /// `error` if the field is repeated.
    pub fn single<'a, E>(&'a self, name: &'a str, error: E) -> Result<Option<&'a [u8]>, E> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(error),
        }
    }

    /// True if there is a field with this name.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Returns the elements of a comma-separated list, from all its fields (RFC 9110 §5.6.1).
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.values(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
    }

    /// True if a list contains this token, ignoring case.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.list(name)
            .any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Returns a part of this head as text, without copying; `None` if it is not UTF-8.
    pub(crate) fn text(&self, part: &[u8]) -> Option<ByteString> {
        ByteString::try_from(self.bytes.slice_ref(part)).ok()
    }

    fn part(&self, index: usize) -> &[u8] {
        self.start
            .get(index)
            .map_or(&[], |span| span.get(&self.bytes))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Head {}

// Only the first line and the names are shown: values may be secrets (cookies, tokens).
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .fields()
            .map(|(name, _)| String::from_utf8_lossy(name).into_owned());
        f.debug_struct("Head")
            .field("start", &String::from_utf8_lossy(self.part(0)))
            .field("fields", &names.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Head, HeadError> {
        Head::parse(text.as_bytes(), text.len(), &HeadLimits::default())
    }

    #[test]
    fn detects_a_bare_lf_in_any_line() {
        let lines = ["GET / HTTP/1.1", "A: b", "C: d", ""];
        assert!(
            !parse(&lines.map(|line| format!("{line}\r\n")).concat())
                .unwrap()
                .bare_lf
        );
        for bare in lines {
            let end = |line| if line == bare { "\n" } else { "\r\n" };
            let text = lines.map(|line| format!("{line}{}", end(line))).concat();
            assert!(parse(&text).unwrap().bare_lf, "{text:?}");
        }
    }

    #[test]
    fn keeps_names_values_and_order() {
        let head = parse("GET /a?b HTTP/1.1\r\nB:  x \r\na:y\r\nb: 4  z,,w\r\n\r\n").unwrap();
        assert_eq!((head.method(), head.target()), (&b"GET"[..], &b"/a?b"[..]));
        assert!(head.is_http11());
        let fields: Vec<_> = head.fields().collect();
        assert_eq!(
            fields,
            [(&b"B"[..], &b"x"[..]), (b"a", b"y"), (b"b", b"4  z,,w")]
        );
        assert_eq!(
            head.list("b").collect::<Vec<_>>(),
            [&b"x"[..], b"4  z", b"w"]
        );
        assert!(head.lists("B", "W") && !head.lists("b", "z"));
        assert_eq!(head.single("b", "repeated"), Err("repeated"));
    }

    #[test]
    fn parses_responses_with_and_without_a_reason() {
        let head = parse("HTTP/1.1 101 Web Socket\r\n\r\n").unwrap();
        assert_eq!(
            (head.status(), head.reason()),
            (Some(101), &b"Web Socket"[..])
        );
        assert_eq!(parse("HTTP/1.1 101\r\n\r\n").unwrap().status(), Some(101));
    }

    #[test]
    fn refuses_what_rfc_9112_forbids() {
        for text in [
            "GET  / HTTP/1.1\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET / HTTP/1.1 \r\n\r\n",
            "GET / HTTP/1.1\r\nA : b\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\0\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
            "GET / HTTP/1.1\r\n: b\r\n\r\n",
            "GET / HTTP/1.1\r\nA b\r\n\r\n",
        ] {
            assert!(
                matches!(parse(text), Err(HeadError::Malformed(_))),
                "{text:?}"
            );
        }
    }
}
