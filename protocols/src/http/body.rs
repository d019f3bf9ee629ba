//! A scanner that finds the end of the body of a request or response.

use super::Head;

/// Finds the end of a body as its bytes arrive (RFC 9112 §6), without storing any of it.
#[derive(Clone, Debug)]
pub struct BodyScanner {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a body with a `Content-Length`, with this many bytes left.
    Counted(u64),
    /// In the size of a chunk (RFC 9112 §7.1), of which `digits` digits have been read.
    Size {
        size: u64,
        digits: u8,
    },
    /// In a chunk extension, up to the end of the line.
    Extension {
        size: u64,
    },
    /// At the LF that ends the line of a chunk size.
    SizeEnd {
        size: u64,
    },
    /// In a chunk, with this many bytes left.
    Chunk(u64),
    /// At the CR and LF after a chunk.
    ChunkEnd,
    ChunkEndLf,
    /// At the beginning of a trailer line, or of the line that ends the body.
    Trailer,
    TrailerLine,
    /// At the LF that ends the body.
    LastLf,
    Over,
    /// The end cannot be determined: all further bytes belong to the body.
    Endless,
}

/// The most digits of a chunk size, which must fit a `u64`.
const MAX_DIGITS: u8 = 15;

impl BodyScanner {
    /// Creates a scanner for the body that the head of a request announces. The body never ends if
    /// its end cannot be determined (RFC 9112 §6.3): two different lengths, a length in addition to
    /// a transfer coding, or a coding other than `chunked`.
    pub fn of(head: &Head) -> Self {
        let mut lengths = head.values("content-length");
        let mut codings = head.list("transfer-encoding");
        let state = match (lengths.next(), codings.next()) {
            (None, None) => State::Over,
            (Some(length), None) => match number(length) {
                Some(0) => State::Over,
                Some(length) => State::Counted(length),
                None => State::Endless,
            },
            (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => {
                State::Size { size: 0, digits: 0 }
            }
            _ => State::Endless,
        };
        let is_clear = lengths.next().is_none() && codings.next().is_none();
        Self {
            state: if is_clear { state } else { State::Endless },
        }
    }

    /// Creates a scanner for the body after the head of a response to a GET. A body that is not
    /// announced ends with the connection (RFC 9112 §6.3), so for the scanner it never ends.
    pub fn of_answer(head: &Head) -> Self {
        let is_announced = head.has("content-length") || head.has("transfer-encoding");
        match head.status() {
            Some(100..=199 | 204 | 304) => Self { state: State::Over },
            _ if is_announced => Self::of(head),
            _ => Self {
                state: State::Endless,
            },
        }
    }

    /// True if the end of the body can be determined.
    pub(crate) fn is_clear(&self) -> bool {
        self.state != State::Endless
    }

    /// True if the whole body has been read.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Returns how many of these bytes belong to the body. The rest belongs to the next request.
    pub fn advance(&mut self, src: &[u8]) -> usize {
        let mut rest = src;
        while let [byte, tail @ ..] = rest {
            let (state, behind) = match self.state {
                State::Over => break,
                State::Endless => return src.len(),
                State::Counted(left) => {
                    let (left, behind) = skip(left, rest);
                    let state = if left == 0 {
                        State::Over
                    } else {
                        State::Counted(left)
                    };
                    (state, behind)
                }
                State::Chunk(left) => {
                    let (left, behind) = skip(left, rest);
                    let state = if left == 0 {
                        State::ChunkEnd
                    } else {
                        State::Chunk(left)
                    };
                    (state, behind)
                }
                in_a_line => (in_a_line.next(*byte), tail),
            };
            self.state = state;
            rest = behind;
        }
        src.len().saturating_sub(rest.len())
    }
}

impl State {
    /// Returns the state after a byte of one of the lines between chunks.
    fn next(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size { size, digits }, digit) if digit.is_ascii_hexdigit() => {
                let value = char::from(digit).to_digit(16).unwrap_or_default();
                if digits == MAX_DIGITS {
                    return Self::Endless;
                }
                Self::Size {
                    size: size << 4 | u64::from(value),
                    digits: digits.saturating_add(1),
                }
            }
            (Self::Size { digits: 0, .. }, _) => Self::Endless,
            (Self::Size { size, .. } | Self::Extension { size }, b'\r') => Self::SizeEnd { size },
            (Self::Size { size, .. }, b';' | b' ' | b'\t') => Self::Extension { size },
            (Self::Extension { size }, other) if other != b'\n' => Self::Extension { size },
            (Self::SizeEnd { size: 0 }, b'\n') => Self::Trailer,
            (Self::SizeEnd { size }, b'\n') => Self::Chunk(size),
            (Self::ChunkEnd, b'\r') => Self::ChunkEndLf,
            (Self::ChunkEndLf, b'\n') => Self::Size { size: 0, digits: 0 },
            (Self::Trailer, b'\r') => Self::LastLf,
            (Self::Trailer | Self::TrailerLine, b'\n') => Self::Trailer,
            (Self::Trailer | Self::TrailerLine, _) => Self::TrailerLine,
            (Self::LastLf, b'\n') => Self::Over,
            _ => Self::Endless,
        }
    }
}

/// Skips up to `left` bytes; returns how many are still left, and the remaining input.
fn skip(left: u64, src: &[u8]) -> (u64, &[u8]) {
    let len = usize::try_from(left).unwrap_or(usize::MAX).min(src.len());
    let behind = src.get(len..).unwrap_or_default();
    (left.saturating_sub(len as u64), behind)
}

fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HeadLimits;

    /// Returns the length of a request's body, scanned as a whole and byte by byte; `None` if it
    /// never ends.
    fn measured(fields: &str, body: &str) -> Option<usize> {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let parsed = Head::parse(head.as_bytes(), head.len(), &HeadLimits::default()).unwrap();
        let mut whole = BodyScanner::of(&parsed);
        let len = whole.advance(body.as_bytes());
        let mut bytewise = BodyScanner::of(&parsed);
        let bytes = body.bytes().map(|byte| bytewise.advance(&[byte]));
        assert_eq!(bytes.sum::<usize>(), len, "{fields:?} {body:?}");
        assert_eq!(bytewise.is_over(), whole.is_over(), "{fields:?} {body:?}");
        whole.is_over().then_some(len)
    }

    #[test]
    fn finds_the_end_of_a_body_however_it_is_cut() {
        const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
        for (fields, body, expected) in [
            ("", "GET", Some(0)),
            ("Content-Length: 0\r\n", "GET", Some(0)),
            ("Content-Length: 3\r\n", "abcGET", Some(3)),
            ("Content-Length: 3\r\n", "ab", None),
            (CHUNKED, "0\r\n\r\nGET", Some(5)),
            (
                CHUNKED,
                "3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\nGET",
                Some(34),
            ),
            (CHUNKED, "00\r\nA: b\r\nC: d\r\n\r\nGET", Some(18)),
            (CHUNKED, "3\r\nabcd\r\n0\r\n\r\n", None),
            (CHUNKED, "\r\n0\r\n\r\n", None),
            (CHUNKED, "3\nabc\n0\n\n", None),
            (CHUNKED, "1000000000000000\r\n", None),
            ("Content-Length: 3\r\nContent-Length: 3\r\n", "abc", None),
            ("Content-Length: +3\r\n", "abc", None),
            (
                "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
                "abc",
                None,
            ),
            ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n", None),
        ] {
            assert_eq!(measured(fields, body), expected, "{fields:?} {body:?}");
        }
    }
}
