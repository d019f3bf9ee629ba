//! The segments of a request's path that its route names.

use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;
use polysock_protocols::sounds_secret;

/// The segments of a request's path that its route names: for the route `/vnc/{token}` and the path
/// `/vnc/desk-7/app`, the `token` is `desk-7`. A route puts them into the
/// [extensions](crate::Peer::extensions) of the peer.
#[derive(Clone, Default)]
pub struct Captures {
    named: Vec<(Arc<str>, ByteString)>,
}

impl Captures {
    /// Returns the segment with this name, not decoded: with its escapes (`%20`), without a slash.
    pub fn get(&self, name: &str) -> Option<&str> {
        let captured = self.named.iter().find(|(other, _)| **other == *name);
        captured.map(|(_, value)| &**value)
    }

    /// True if no segment is captured.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Returns the segments whose names suggest a secret.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &ByteString> {
        let secrets = self.named.iter().filter(|(name, _)| sounds_secret(name));
        secrets.map(|(_, value)| value)
    }

    /// Adds a segment.
    pub fn insert(&mut self, name: Arc<str>, value: impl Into<ByteString>) {
        self.named.push((name, value.into()));
    }
}

/// Shows the names only, as a segment may be a secret.
impl fmt::Debug for Captures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.named.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}
