//! The identifier of a connection in the log, for observers and on the control listener.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use crate::random::entropy;

/// The number of bits of an id that count the connections of a process. The count then wraps.
const NUMBERS: u32 = 40;

/// The id of the next connection of this process. The high bits are random, so that the ids of two
/// processes differ in a common log.
static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| {
    let mut bytes = [0; 8];
    entropy(&mut bytes);
    AtomicU64::new(u64::from_ne_bytes(bytes) << NUMBERS | 1)
});

/// The identifier of a connection: `a3f9c2-1f`. The first part is random and shared by all
/// connections of a process; the second is a number in order of arrival. A WebSocket on an HTTP/2
/// stream has an identifier of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// The error for a text that is not a [`ConnectionId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not the ID of a connection, such as a3f9c2-1f")]
pub struct ConnectionIdError;

impl ConnectionId {
    /// Returns the next identifier.
    pub(crate) fn next() -> Self {
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns true if the identifier belongs to a connection. The default does not.
    pub(crate) fn is_some(self) -> bool {
        self.0 != 0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Written by hand for speed: every connection logs it twice.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 17];
        let digit = |shift: u32| {
            let index = usize::try_from(self.0 >> shift & 15).unwrap_or(0);
            DIGITS.get(index).copied().unwrap_or(b'0')
        };
        let mut len = 0;
        let mut push = |byte| {
            if let Some(place) = text.get_mut(len) {
                *place = byte;
            }
            len += 1;
        };
        for place in (0..6).rev() {
            push(digit(NUMBERS + 4 * place));
        }
        push(b'-');
        let number = self.0 & ((1 << NUMBERS) - 1);
        let places = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
        for place in (0..places).rev() {
            push(digit(4 * place));
        }
        let text = text.get(..len).unwrap_or_default();
        f.write_str(str::from_utf8(text).unwrap_or_default())
    }
}

impl FromStr for ConnectionId {
    type Err = ConnectionIdError;

    fn from_str(text: &str) -> Result<Self, ConnectionIdError> {
        let (process, number) = text.split_once('-').ok_or(ConnectionIdError)?;
        let of = |text: &str, most: usize| {
            let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let number = u64::from_str_radix(text, 16).ok();
            number.filter(|_| is_hex && text.len() <= most)
        };
        let process = of(process, 6).ok_or(ConnectionIdError)?;
        let number = of(number, 10).ok_or(ConnectionIdError)?;
        Ok(Self(process << NUMBERS | number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let (first, second) = (ConnectionId::next(), ConnectionId::next());
        assert!(first < second && first.is_some());
        for id in [first, second, ConnectionId(0xa3f9_c200_0000_001f)] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert_eq!(ConnectionId(0xa3f9_c200_0000_001f).to_string(), "a3f9c2-1f");
        for wrong in [
            "",
            "-",
            "a3f9c2",
            "a3f9c2-",
            "a3f9c2-1g",
            "a3f9c21-1",
            "a-+1",
        ] {
            assert_eq!(
                wrong.parse::<ConnectionId>(),
                Err(ConnectionIdError),
                "{wrong}"
            );
        }
    }
}
