//! The id of a session.

use std::fmt;
use std::str::FromStr;

use crate::random::entropy;

const LEN: usize = 16;

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The id of a session: 16 unpredictable letters and digits. The client receives it in the welcome
/// message, and publishers use it to exclude or select receivers.
///
/// ```
/// use polysock::apps::wamp::SessionId;
///
/// let session: SessionId = "bppjDq3gHNL2tvMK".parse()?;
/// assert_eq!(session.as_str(), "bppjDq3gHNL2tvMK");
/// assert!("nobody".parse::<SessionId>().is_err());
/// # Ok::<(), polysock::apps::wamp::SessionIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; LEN]);

impl SessionId {
    /// Returns a random id, which is unlikely to repeat on any machine: there are 2^95.
    pub(super) fn random() -> Self {
        let mut id = [0; LEN];
        let mut left = id.iter_mut();
        let mut bytes = [0; 32];
        loop {
            entropy(&mut bytes);
            // Values beyond the letters are skipped, so that all letters are equally likely.
            for letter in bytes
                .iter()
                .filter_map(|byte| LETTERS.get(usize::from(byte & 63)))
            {
                match left.next() {
                    Some(place) => *place = *letter,
                    None => return Self(id),
                }
            }
        }
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("letters and digits are ASCII")
    }
}

/// The error for text that is no session id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a session ID: it has 16 letters and digits")]
pub struct SessionIdError;

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<Self, SessionIdError> {
        let id: [u8; LEN] = text.as_bytes().try_into().map_err(|_| SessionIdError)?;
        match id.iter().all(u8::is_ascii_alphanumeric) {
            true => Ok(Self(id)),
            false => Err(SessionIdError),
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn session_ids_are_sixteen_letters_and_digits_and_differ() {
        let ids: HashSet<SessionId> = (0..1000).map(|_| SessionId::random()).collect();
        assert_eq!(ids.len(), 1000);
        let letters: HashSet<u8> = ids.iter().flat_map(|id| id.0).collect();
        assert_eq!(letters.len(), LETTERS.len());
        for id in ids {
            assert_eq!(id.as_str().parse(), Ok(id));
        }
    }

    #[test]
    fn other_text_is_no_session_id() {
        for text in [
            "",
            "abc",
            "0123456789abcde-",
            "0123456789abcdefg",
            "0123456789abcdé",
        ] {
            assert_eq!(text.parse::<SessionId>(), Err(SessionIdError), "{text}");
        }
    }
}
