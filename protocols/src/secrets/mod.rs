//! Recognition and masking of secrets in requests, responses and URLs.
//!
//! The rules are in one place, for all code that shows a head, a target or a URL. They cover
//! fields, cookies, parameters, subprotocols, user information and tokens. They judge by names and
//! by shape: a secret that looks like the name of a room is not recognised.

mod rules;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use bytestring::ByteString;
use memchr::memmem;

use self::rules::Found;

/// The shortest value, in bytes, that is replaced everywhere. Shorter ones are replaced only where
/// they were found or are a complete value: elsewhere they would match by chance.
const MIN_REPEATED: usize = 6;

/// The replacement for a secret where the length need not be kept.
const HIDDEN: &str = "***";

/// The secrets of a session, from the heads of both sides.
///
/// A replacement has the length of its secret, so that all offsets and announced lengths stay
/// valid. A secret that the server repeats is replaced in the response too: the hixie protocols
/// repeat the target.
#[derive(Clone, Default)]
pub struct Secrets {
    values: BTreeSet<Vec<u8>>,
    kinds: BTreeSet<SecretKind>,
}

/// The kind of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SecretKind {
    /// The value of a cookie.
    Cookie,
    /// The value of a field such as `Authorization`, or the user information of a URL.
    Credential,
    /// A token: the value of a parameter, a part of a path, or a subprotocol.
    Token,
}

impl Secrets {
    /// Collects the secrets in the lines of a head. The head may be malformed or incomplete, as a
    /// refused head has secrets too.
    pub fn collect(&mut self, head: &[u8]) {
        for Found { at, kind } in rules::in_head(head) {
            let value = head.get(at).unwrap_or_default();
            if value.iter().any(|byte| *byte != b'x') {
                self.values.insert(value.to_vec());
                self.kinds.insert(kind);
            }
        }
    }

    /// Overwrites with `x` the secrets of a head, and all occurrences of the collected secrets.
    pub fn replace(&self, head: &mut [u8]) {
        for Found { at, .. } in rules::in_head(head) {
            head.get_mut(at).unwrap_or_default().fill(b'x');
        }
        // Longest first, as one may be part of another.
        let mut values: Vec<&[u8]> = self.values.iter().map(Vec::as_slice).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in values {
            replace_all(value, head);
        }
    }

    /// Returns the kinds of the collected secrets.
    pub fn kinds(&self) -> impl Iterator<Item = SecretKind> {
        self.kinds.iter().copied()
    }
}

impl SecretKind {
    /// Returns the name in the plural.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cookie => "cookies",
            Self::Credential => "credentials",
            Self::Token => "tokens",
        }
    }
}

// The values must not be shown anywhere.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("kinds", &self.kinds)
            .finish_non_exhaustive()
    }
}

/// Replaces each secret of a target or a URL by `***`, for display. The text need not be a valid
/// URL.
pub fn hide_secrets(url: &str) -> Cow<'_, str> {
    // Without one of these bytes there is no parameter, no user information and no token.
    if !url
        .bytes()
        .any(|byte| matches!(byte, b'=' | b'%' | b'@' | b'J'))
    {
        return Cow::Borrowed(url);
    }
    hide(url, rules::in_url(url.as_bytes()))
}

/// True if a name sounds like that of a secret. `name` is that of a parameter, or one that the
/// configuration gives to a part of a path.
pub fn sounds_secret(name: &str) -> bool {
    rules::sounds_secret(name.as_bytes())
}

/// Returns subprotocols for display, in their order.
pub(crate) fn hide_in_subprotocols(names: &[ByteString]) -> Vec<Cow<'_, str>> {
    let mut is_announced = false;
    let shown = names.iter().map(|name| {
        let found = rules::in_subprotocol(name.as_bytes(), &mut is_announced);
        hide(name, found.into_iter().collect())
    });
    shown.collect()
}

fn hide(text: &str, mut found: Vec<Found>) -> Cow<'_, str> {
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    found.sort_by_key(|found| found.at.start);
    let (mut shown, mut end) = (String::new(), 0);
    for Found { at, .. } in found {
        // A secret within another, or overlapping it, is hidden together with it.
        if at.start >= end {
            shown.push_str(text.get(end..at.start).unwrap_or_default());
            shown.push_str(HIDDEN);
        }
        end = end.max(at.end);
    }
    shown.push_str(text.get(end..).unwrap_or_default());
    Cow::Owned(shown)
}

/// Replaces all occurrences of a value that are not there by chance: the value is long, or it is a
/// complete value.
fn replace_all(value: &[u8], head: &mut [u8]) {
    let mut from = 0_usize;
    while let Some(at) = memmem::find(head.get(from..).unwrap_or_default(), value) {
        let at = from.saturating_add(at);
        let end = at.saturating_add(value.len());
        let before = at.checked_sub(1).and_then(|before| head.get(before));
        let is_alone = matches!(
            (before, head.get(end)),
            (Some(b'='), Some(b';' | b'&' | b' ' | b'\r' | b'\n') | None)
                | (Some(b' ' | b':' | b','), Some(b',' | b'\r' | b'\n') | None)
        );
        if is_alone || value.len() >= MIN_REPEATED {
            head.get_mut(at..end).unwrap_or_default().fill(b'x');
            from = end;
        } else {
            from = at.saturating_add(1);
        }
    }
}
