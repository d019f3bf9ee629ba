//! What is set of a broker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use polysock::protocols::hide_secrets;
use thiserror::Error;

/// How nodes share a broker. All of them have to have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusSettings {
    /// What the names of all they have at the broker begin with.
    pub prefix: Prefix,
    /// What the broker keeps of each channel, if anything.
    pub history: Option<History>,
}

/// What a broker keeps of each channel. What is over either limit is forgotten, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// The most messages.
    pub len: usize,
    /// For how long.
    pub age: Duration,
}

/// What the names of all that a site has at a broker begin with: `polysock`, if nothing else is said. Sites with
/// prefixes of their own can share a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(Arc<str>);

/// This cannot stand before names at a broker.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no prefix for a broker: write 1 to 64 letters, digits, `-` and `_`")]
pub struct PrefixError(String);

/// This is no URL of a broker.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BusUrlError {
    /// There is no such broker, or something is wrong with the rest of the URL.
    #[error(
        "`{url}` is no URL of a broker: write redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, \
         redis+unix:///PATH, nats://[USER:PASSWORD@]HOST[:PORT], or tls:// for NATS by TLS"
    )]
    NoBroker {
        /// The URL, without its secrets.
        url: String,
    },
    /// This build has not what it takes.
    #[error("`{url}` needs the feature `{feature}`, which this was built without")]
    NotBuilt {
        /// The URL, without its secrets.
        url: String,
        /// What has to be there.
        feature: &'static str,
    },
}

impl Prefix {
    /// Takes a prefix: letters, digits, `-` and `_`, which mean nothing to any broker.
    ///
    /// # Errors
    ///
    /// There is something else in it, it is empty, or longer than 64 characters.
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
    fn prefixes_are_plain() {
        for plain in ["a", "polysock", "Site_2-b", &"x".repeat(64)] {
            assert_eq!(Prefix::new(plain).unwrap().as_str(), plain);
        }
        for odd in ["", "a.b", "a b", "a*", "ä", "a>", "[a]", &"x".repeat(65)] {
            assert_eq!(Prefix::new(odd), Err(PrefixError(odd.to_owned())));
        }
    }
}
