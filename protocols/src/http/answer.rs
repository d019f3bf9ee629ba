//! A reader for the head of a server's response.

use bytes::BytesMut;

use super::{Head, HeadLimits, HeadScanner};
use crate::error::HeadError;

/// Takes the head of a final response off the received bytes. Interim responses before it are
/// skipped (RFC 9110 §15.2): `100 Continue`, `103 Early Hints`, and unknown ones.
#[derive(Debug)]
pub(crate) struct AnswerReader {
    limits: HeadLimits,
    scanner: HeadScanner,
    /// The number of interim responses that may still arrive, and the bytes that they may have.
    interim: u8,
    interim_len: usize,
}

/// The most interim responses to one request. Servers send one or two.
const MAX_INTERIM: u8 = 16;

/// The most bytes of all interim responses to one request.
const MAX_INTERIM_LEN: usize = 16 * 1024;

impl AnswerReader {
    /// Creates a reader. The limits apply to each head.
    pub(crate) fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            scanner: HeadScanner::default(),
            interim: MAX_INTERIM,
            interim_len: MAX_INTERIM_LEN,
        }
    }

    /// Takes the head off `src`; `None` while it is incomplete.
    ///
    /// # Errors
    ///
    /// The bytes are not a head of HTTP/1.1, or it exceeds a limit.
    pub(crate) fn advance(&mut self, src: &mut BytesMut) -> Result<Option<Head>, HeadError> {
        while let Some(len) = self.scanner.advance(src, &self.limits)? {
            unfold(src.get_mut(..len).unwrap_or_default());
            let head = Head::parse(src, len, &self.limits)?;
            drop(src.split_to(len));
            // A 101 is the last response of HTTP/1.
            if !matches!(head.status(), Some(100 | 102..=199)) {
                return Ok(Some(head));
            }
            self.scanner = HeadScanner::default();
            self.skip(len)?;
        }
        Ok(None)
    }

    fn skip(&mut self, len: usize) -> Result<(), HeadError> {
        let counted = self.interim.checked_sub(1);
        let measured = self.interim_len.checked_sub(len);
        let (Some(interim), Some(interim_len)) = (counted, measured) else {
            return Err(HeadError::TooManyInterim);
        };
        (self.interim, self.interim_len) = (interim, interim_len);
        Ok(())
    }
}

/// Replaces the line end before a continuation line with spaces, which RFC 9112 §5.2 allows in a
/// response. The line after the first cannot be one, as no field precedes it.
fn unfold(head: &mut [u8]) {
    let mut lines = head.split_inclusive_mut(|byte| *byte == b'\n').skip(1);
    let mut line = lines.next();
    while let Some(before) = line {
        line = lines.next();
        if let Some([b' ' | b'\t', ..]) = line {
            let folded = before.iter_mut().rev();
            for byte in folded.take_while(|byte| matches!(byte, b'\r' | b'\n')) {
                *byte = b' ';
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINAL: &str = "HTTP/1.1 101 Fine\r\nA: b\r\n\r\n";

    /// Reads a head in one chunk and byte by byte.
    fn read(text: &str) -> Result<Option<Head>, HeadError> {
        let read = |chunk: usize| {
            let (mut reader, mut src) = (AnswerReader::new(HeadLimits::default()), BytesMut::new());
            for chunk in text.as_bytes().chunks(chunk) {
                src.extend_from_slice(chunk);
                if let Some(head) = reader.advance(&mut src)? {
                    return Ok(Some(head));
                }
            }
            Ok(None)
        };
        let whole = read(text.len());
        assert_eq!(read(1), whole, "bytewise");
        whole
    }

    fn status(text: &str) -> Result<Option<u16>, HeadError> {
        Ok(read(text)?.and_then(|head| head.status()))
    }

    #[test]
    fn skips_interim_answers() {
        for interim in [
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 102\r\n\r\nHTTP/1.1 199 What\r\n\r\nHTTP/1.0 103 Early Hints\r\n\r\n",
        ] {
            let head = read(&format!("{interim}{FINAL}")).unwrap().unwrap();
            assert_eq!(head.as_bytes(), FINAL);
            assert_eq!(status(interim), Ok(None), "{interim}");
            let refused = format!("{interim}HTTP/1.1 404 Not Found\r\n\r\n");
            assert_eq!(status(&refused), Ok(Some(404)));
        }
    }

    #[test]
    fn bounds_how_much_is_skipped() {
        let interim = "HTTP/1.1 103 Early Hints\r\n\r\n";
        assert!(read(&format!("{}{FINAL}", interim.repeat(16))).is_ok());
        let many = format!("{}{FINAL}", interim.repeat(17));
        assert_eq!(read(&many), Err(HeadError::TooManyInterim));
        let long = format!(
            "HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n",
            "x".repeat(6_000)
        );
        assert!(read(&format!("{}{FINAL}", long.repeat(2))).is_ok());
        let much = format!("{}{FINAL}", long.repeat(3));
        assert_eq!(read(&much), Err(HeadError::TooManyInterim));
    }

    #[test]
    fn a_folded_line_is_joined_with_a_space() {
        let folded = "HTTP/1.1 101 Fine\r\nA: b\r\n c\r\n\t d\r\nE:\n f\r\nG: h\r\n\r\n";
        let head = read(folded).unwrap().unwrap();
        let words = |name| {
            let value = std::str::from_utf8(head.value(name)?).ok()?;
            Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        for (name, value) in [("a", "b c d"), ("e", "f"), ("g", "h")] {
            assert_eq!(words(name).as_deref(), Some(value));
        }
        assert_eq!(head.fields().count(), 3);
        // RFC 9112 §2.2: no continuation line may follow the first line.
        let early = "HTTP/1.1 101 Fine\r\n A: b\r\n\r\n";
        assert!(matches!(read(early), Err(HeadError::Malformed(_))));
    }
}
