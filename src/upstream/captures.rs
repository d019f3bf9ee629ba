//! What the path of a request has where its route names a segment.

use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;
use polysock_protocols::sounds_secret;

/// What the path of a request has at the places that its route names: for the route `/vnc/{token}` and
/// the path `/vnc/desk-7/app`, the `token` is `desk-7`. A route puts them into the
/// [extensions](crate::Peer::extensions) of the peer.
#[derive(Clone, Default)]
pub struct Captures {
    named: Vec<(Arc<str>, ByteString)>,
}

impl Captures {
    /// What this name has captured, as it came: with its escapes (`%20`), without a slash.
    pub fn get(&self, name: &str) -> Option<&str> {
        let captured = self.named.iter().find(|(other, _)| **other == *name);
        captured.map(|(_, value)| &**value)
    }

    /// Whether nothing is captured.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// What was captured by names that sound like those of secrets.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &ByteString> {
        let secrets = self.named.iter().filter(|(name, _)| sounds_secret(name));
        secrets.map(|(_, value)| value)
    }

    /// Adds what a name has captured.
    pub fn insert(&mut self, name: Arc<str>, value: impl Into<ByteString>) {
        self.named.push((name, value.into()));
    }
}

/// What is captured may be a secret: only the names are shown.
impl fmt::Debug for Captures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.named.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}
