//! UTF-8 validation of text that arrives in pieces.

use simdutf8::compat::from_utf8;

/// A validator that reports the first invalid byte as soon as it is received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Utf8Validator {
    /// The beginning of a character that continues in the next piece.
    partial: [u8; 4],
    len: u8,
}

/// The text is not UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidUtf8;

impl Utf8Validator {
    /// Checks the next piece; `end` is true if the text ends with it.
    pub(crate) fn advance(&mut self, mut piece: &[u8], end: bool) -> Result<(), InvalidUtf8> {
        while self.len > 0 {
            let Some((byte, rest)) = piece.split_first() else {
                break;
            };
            self.push(*byte)?;
            piece = rest;
        }
        if let Err(error) = from_utf8(piece) {
            if error.error_len().is_some() {
                return Err(InvalidUtf8);
            }
            for byte in piece.get(error.valid_up_to()..).unwrap_or_default() {
                self.push(*byte)?;
            }
        }
        if end && std::mem::take(&mut self.len) > 0 {
            Err(InvalidUtf8)
        } else {
            Ok(())
        }
    }

    fn push(&mut self, byte: u8) -> Result<(), InvalidUtf8> {
        if let Some(place) = self.partial.get_mut(usize::from(self.len)) {
            *place = byte;
        }
        self.len = self.len.saturating_add(1);
        match from_utf8(
            self.partial
                .get(..usize::from(self.len))
                .unwrap_or_default(),
        ) {
            Ok(_) => self.len = 0,
            Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
            Err(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_whole_text_however_it_is_cut() {
        let texts: [&[u8]; 9] = [
            "κόσμε, 你好, 😀".as_bytes(),
            b"",
            b"\xf4\x8f\xbf\xbf",
            b"\xf4\x90\x80\x80",
            b"\xed\xa0\x80",
            b"a\xffb",
            b"\xce\xba\xe1\xbd",
            b"\xc0\xaf",
            b"\xf0\x9f\x98",
        ];
        for text in texts {
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let mut validator = Utf8Validator::default();
                    let valid = validator
                        .advance(&text[..first], false)
                        .and_then(|()| validator.advance(&text[first..second], false))
                        .and_then(|()| validator.advance(&text[second..], true))
                        .is_ok();
                    assert_eq!(
                        valid,
                        std::str::from_utf8(text).is_ok(),
                        "{text:x?} {first} {second}"
                    );
                }
            }
        }
    }

    #[test]
    fn fails_at_the_first_wrong_byte() {
        let mut validator = Utf8Validator::default();
        assert_eq!(validator.advance(b"\xf4", false), Ok(()));
        assert_eq!(validator.advance(b"\x90", false), Err(InvalidUtf8));
    }
}
