//! Secrets: what of a request and its answer nobody should see.
//!
//! The rules are in one place, for whatever shows a head, a target or a URL: fields, cookies,
//! parameters, subprotocols, user information and tokens. They judge by names and by shape, as far as
//! a stranger can: a secret that looks like a room's name stays.

mod rules;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use bytestring::ByteString;
use memchr::memmem;

use self::rules::Found;

/// Shorter values are replaced only where they were found, or are all of a value: elsewhere they
/// would stand by chance.
const MIN_REPEATED: usize = 6;

/// What stands for a secret where nobody counts bytes.
const HIDDEN: &str = "***";

/// The secrets of a session, out of the heads of both its sides.
///
/// A stand-in has the length of what it stands for, so that every offset and every announced length
/// stays true. What a server repeats of a secret, as the hixie protocols repeat the target, is
/// replaced there too.
#[derive(Clone, Default)]
pub struct Secrets {
    values: BTreeSet<Vec<u8>>,
    kinds: BTreeSet<SecretKind>,
}

/// What a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SecretKind {
    /// The value of a cookie.
    Cookie,
    /// The value of a field as `Authorization`, or the user information of a URL.
    Credential,
    /// A token: the value of a parameter, a part of a path, or a subprotocol.
    Token,
}

impl Secrets {
    /// Collects the secrets in the lines of a head. A head that is refused has secrets too, so
    /// nothing is expected of it: it may be broken, or not end.
    pub fn collect(&mut self, head: &[u8]) {
        for Found { at, kind } in rules::in_head(head) {
            let value = head.get(at).unwrap_or_default();
            if value.iter().any(|byte| *byte != b'x') {
                self.values.insert(value.to_vec());
                self.kinds.insert(kind);
            }
        }
    }

    /// Replaces by as many `x` the secrets of a head, and whatever was collected where it stands
    /// again.
    pub fn replace(&self, head: &mut [u8]) {
        for Found { at, .. } in rules::in_head(head) {
            head.get_mut(at).unwrap_or_default().fill(b'x');
        }
        // The longest first: one may be part of another.
        let mut values: Vec<&[u8]> = self.values.iter().map(Vec::as_slice).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in values {
            replace_all(value, head);
        }
    }

    /// What was collected.
    pub fn kinds(&self) -> impl Iterator<Item = SecretKind> {
        self.kinds.iter().copied()
    }
}

impl SecretKind {
    /// Its name, in the plural.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cookie => "cookies",
            Self::Credential => "credentials",
            Self::Token => "tokens",
        }
    }
}

// They are to be shown nowhere.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("kinds", &self.kinds)
            .finish_non_exhaustive()
    }
}

/// A target or a URL for people to see: `***` stands for each of its secrets. What is no URL at all
/// may be passed as well, as somebody may have meant one.
pub fn hide_secrets(url: &str) -> Cow<'_, str> {
    // Without one of these there is neither a parameter nor user information nor a token.
    if !url
        .bytes()
        .any(|byte| matches!(byte, b'=' | b'%' | b'@' | b'J'))
    {
        return Cow::Borrowed(url);
    }
    hide(url, rules::in_url(url.as_bytes()))
}

/// Whether what has this name is a secret, by its sound: a parameter, or a part of a path that somebody
/// has named.
pub fn sounds_secret(name: &str) -> bool {
    rules::sounds_secret(name.as_bytes())
}

/// Subprotocols for people to see, in their order.
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
        // One that lies within another, or reaches out of it, is hidden with it.
        if at.start >= end {
            shown.push_str(text.get(end..at.start).unwrap_or_default());
            shown.push_str(HIDDEN);
        }
        end = end.max(at.end);
    }
    shown.push_str(text.get(end..).unwrap_or_default());
    Cow::Owned(shown)
}

/// Replaces a value wherever it stands, if it is long enough not to stand there by chance, or all of
/// a value.
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
