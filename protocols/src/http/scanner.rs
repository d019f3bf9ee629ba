//! A scanner that finds the end of a head, and the limits of a head.

use memchr::{memchr, memchr_iter};

use crate::error::HeadError;

/// The limits of a head. The defaults are those of common servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// The size of the whole head, in bytes.
    pub head: usize,
    /// The number of fields.
    pub fields: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            head: 16 * 1024,
            fields: 100,
        }
    }
}

/// Returns the length in bytes of the empty lines before a request. A server ignores them (RFC 9112
/// §2.2): some clients end a body with one.
pub fn empty_lines(src: &[u8]) -> usize {
    let mut rest = src;
    while let [b'\n', behind @ ..] | [b'\r', b'\n', behind @ ..] = rest {
        rest = behind;
    }
    src.len().saturating_sub(rest.len())
}

/// Finds the end of a growing head without scanning it again from its start.
#[derive(Clone, Debug, Default)]
pub struct HeadScanner {
    scanned: usize,
}

impl HeadScanner {
    /// Returns the length of the head with its blank line; `None` while it is incomplete.
    ///
    /// Lines may end with a bare LF, as some embedded clients write them.
    ///
    /// # Errors
    ///
    /// [`HeadError::TooLong`] as soon as the head cannot end within the limit;
    /// [`HeadError::FirstLineTooLong`] if not even its first line does.
    pub fn advance(&mut self, src: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        let seen = src.len().min(limits.head);
        for at in memchr_iter(b'\n', src.get(self.scanned..seen).unwrap_or_default()) {
            let after = self.scanned.saturating_add(at).saturating_add(1);
            let end = match src.get(after..seen).unwrap_or_default() {
                [b'\n', ..] => after.saturating_add(1),
                [b'\r', b'\n', ..] => after.saturating_add(2),
                // The bytes that decide are missing: this LF is examined again in the next call.
                [] | [b'\r'] => {
                    self.scanned = after.saturating_sub(1);
                    return if seen == limits.head {
                        Err(HeadError::TooLong { limit: limits.head })
                    } else {
                        Ok(None)
                    };
                }
                _ => continue,
            };
            return Ok(Some(end));
        }
        self.scanned = seen;
        if seen < limits.head {
            return Ok(None);
        }
        let limit = limits.head;
        Err(match memchr(b'\n', src) {
            Some(end) if end < seen => HeadError::TooLong { limit },
            _ => HeadError::FirstLineTooLong { limit },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_empty_lines() {
        for (text, len) in [
            ("", 0),
            ("\r", 0),
            ("\r\nGET", 2),
            ("\n\r\n\r", 3),
            ("\r\r\n", 0),
            ("GET\r\n", 0),
        ] {
            assert_eq!(empty_lines(text.as_bytes()), len, "{text:?}");
        }
    }

    #[test]
    fn finds_the_end_of_a_head_however_it_is_cut() {
        let limits = HeadLimits::default();
        for text in ["GET / HTTP/1.1\r\nA: b\r\n\r\n", "GET / HTTP/1.1\nA: b\n\n"] {
            let mut scanner = HeadScanner::default();
            for end in 0..text.len() {
                assert_eq!(
                    scanner.advance(&text.as_bytes()[..end], &limits),
                    Ok(None),
                    "{end}"
                );
            }
            let early = format!("{text}rest");
            assert_eq!(
                scanner.advance(early.as_bytes(), &limits),
                Ok(Some(text.len()))
            );
        }
    }

    #[test]
    fn refuses_a_head_that_cannot_end_within_the_limit() {
        let limits = HeadLimits {
            head: 10,
            ..HeadLimits::default()
        };
        let too_long = Err(HeadError::TooLong { limit: 10 });
        for line in [&b"0123456789"[..], b"0123456789\n\n"] {
            assert_eq!(
                HeadScanner::default().advance(line, &limits),
                Err(HeadError::FirstLineTooLong { limit: 10 })
            );
        }
        assert_eq!(
            HeadScanner::default().advance(b"012345678\n", &limits),
            too_long
        );
        assert_eq!(
            HeadScanner::default().advance(b"01234567\r\n\r\n", &limits),
            too_long
        );
        assert_eq!(
            HeadScanner::default().advance(b"0123456\n\n", &limits),
            Ok(Some(9))
        );
    }
}
