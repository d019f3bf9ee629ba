//! A secret that is compared in constant time.

use std::fmt;
use std::fs;
use std::hint::black_box;
use std::path::Path;

/// A secret of 128 bits or more, as text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

/// The number of characters that 128 bits take in base64, the shortest usual encoding.
const SHORTEST: usize = 22;

impl Token {
    /// Checks that a token is long enough.
    ///
    /// # Errors
    ///
    /// The token is too short, or has characters that are not allowed in header fields.
    pub(crate) fn new(text: &str) -> Result<Self, &'static str> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.len() < SHORTEST || !is_plain {
            return Err(
                "a token needs at least 22 ASCII characters, without blanks: `openssl rand -hex 16` makes one",
            );
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads a token from a file that contains nothing else.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or its token is too short.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file);
        let text = text.map_err(|error| format!("{}: {error}", file.display()))?;
        Self::new(text.trim()).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Returns a random token.
    pub(super) fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    /// True if the token is equal, in a time that does not depend on the number of equal
    /// characters.
    pub(super) fn is(&self, given: &str) -> bool {
        if given.len() != self.0.len() {
            return false;
        }
        let pairs = self.0.bytes().zip(given.bytes());
        black_box(pairs.fold(0, |differs, (own, given)| differs | (own ^ given))) == 0
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_minimum_length_and_is_compared_whole() {
        let token = Token::new("0123456789abcdef012345").unwrap();
        assert!(token.is("0123456789abcdef012345"));
        for wrong in ["", "0", "0123456789abcdef012346", "0123456789abcdef0123455"] {
            assert!(!token.is(wrong), "{wrong}");
        }
        for wrong in [
            "",
            "0123456789abcdef01234",
            "0123456789abcdef 012345",
            "0123456789abcdef01234\u{e9}",
        ] {
            assert!(Token::new(wrong).is_err(), "{wrong}");
        }
        assert!(!format!("{token:?}").contains("0123"));
    }
}
