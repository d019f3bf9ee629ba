//! The challenge to clients that must authenticate.

use std::fmt;
use std::str::FromStr;

use polysock_protocols::Rejection;
use thiserror::Error;

use crate::route::policy::Visitor;

/// The name of a protected area, which browsers show when they ask for a password (RFC 9110 §11.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm(String);

/// The error for a text that is not a realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a realm must be one line without control characters")]
pub struct RealmError;

impl FromStr for Realm {
    type Err = RealmError;

    fn from_str(text: &str) -> Result<Self, RealmError> {
        match text.contains(char::is_control) {
            true => Err(RealmError),
            false => Ok(Self(text.to_owned())),
        }
    }
}

impl Default for Realm {
    fn default() -> Self {
        Self("polysock".to_owned())
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Realm {
    /// Returns 401 with a challenge of this scheme and these parameters (RFC 9110 §11.6.1).
    pub(super) fn challenge(&self, scheme: &str, parameters: &str, reason: &str) -> Rejection {
        let realm = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        let mut rejection = Rejection::new(401, reason);
        let challenge = format!("{scheme} realm=\"{realm}\"{parameters}");
        rejection.fields.append("WWW-Authenticate", challenge);
        rejection
    }
}

/// Returns the credentials in the `Authorization` field; `None` if there is no such field, or it
/// has another scheme.
///
/// # Errors
///
/// There are several such fields, and recipients might choose different ones.
pub(super) fn credentials<'a>(
    visitor: Visitor<'a>,
    scheme: &str,
) -> Result<Option<&'a str>, Rejection> {
    let values = visitor.values("authorization");
    let value = match &*values {
        [] => return Ok(None),
        [value] => std::str::from_utf8(value).unwrap_or_default(),
        _ => return Err(Rejection::new(400, "there is more than one Authorization")),
    };
    let (other, rest) = value.split_once(' ').unwrap_or((value, ""));
    let is_it = other.eq_ignore_ascii_case(scheme);
    Ok(is_it.then(|| rest.trim_matches(' ')))
}
