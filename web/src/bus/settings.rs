//! Settings of a broker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use polysock::protocols::hide_secrets;
use thiserror::Error;

/// The settings that nodes share a broker with. All nodes need the same ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusSettings {
    /// The prefix of all names that the nodes use at the broker.
    pub prefix: Prefix,
    /// The history that the broker keeps of each channel. `None` if it keeps none.
    pub history: Option<History>,
}

/// The limits of the history that a broker keeps of each channel. Messages over either limit are
/// removed, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// The largest number of messages.
    pub len: usize,
    /// The longest time for which a message is kept.
    pub age: Duration,
}

/// The prefix of all names that a site uses at a broker. The default is `polysock`. Sites with
/// different prefixes can share a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(Arc<str>);

/// The error for a text that cannot be a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a prefix for a broker: write 1 to 64 letters, digits, `-` and `_`")]
pub struct PrefixError(String);

/// The error for a URL that is not valid for a broker.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BusUrlError {
    /// The scheme is not one of a supported broker, or the rest of the URL is invalid.
    #[error(
        "`{url}` is not the URL of a broker: write \
         redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, redis+unix:///PATH, \
         nats://[USER:PASSWORD@]HOST[:PORT], or tls:// for NATS over TLS"
    )]
    NoBroker {
        /// The URL, without its secrets.
        url: String,
    },
    /// This build lacks the feature that the broker needs.
    #[error("`{url}` needs the feature `{feature}`: this build does not have it")]
    NotBuilt {
        /// The URL, without its secrets.
        url: String,
        /// The missing feature.
        feature: &'static str,
    },
}

impl Prefix {
    /// Checks and takes a prefix: letters, digits, `-` and `_`, which have no special meaning to
    /// any broker.
    ///
    /// # Errors
    ///
    /// The prefix contains another character, is empty, or is longer than 64 characters.
    pub fn new(prefix: &str) -> Result<Self, PrefixError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !matches!(prefix.len(), 1..=64) || !prefix.bytes().all(is_plain) {
            return Err(PrefixError(prefix.to_owned()));
        }
        Ok(Self(prefix.into()))
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl BusUrlError {
    pub(super) fn no_broker(url: &str) -> Self {
        Self::NoBroker {
            url: hide_secrets(url).into_owned(),
        }
    }

    #[cfg(not(all(feature = "nats", feature = "redis", feature = "tls")))]
    pub(super) fn not_built(url: &str, feature: &'static str) -> Self {
        Self::NotBuilt {
            url: hide_secrets(url).into_owned(),
            feature,
        }
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("polysock".into())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_only_plain_characters() {
        for plain in ["a", "polysock", "Site_2-b", &"x".repeat(64)] {
            assert_eq!(Prefix::new(plain).unwrap().as_str(), plain);
        }
        for odd in ["", "a.b", "a b", "a*", "ä", "a>", "[a]", &"x".repeat(65)] {
            assert_eq!(Prefix::new(odd), Err(PrefixError(odd.to_owned())));
        }
    }
}
