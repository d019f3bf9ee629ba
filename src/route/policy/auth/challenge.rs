//! What a client is told that has to say who it is.

use std::fmt;
use std::str::FromStr;

use polysock_protocols::Rejection;
use thiserror::Error;

use crate::route::policy::Visitor;

/// The name of what is protected, as people see it who are asked for a password (RFC 9110 §11.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm(String);

/// Why a text is no realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a realm has one line, and no control characters")]
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
    /// 401 with a challenge of this scheme (RFC 9110 §11.6.1), and what belongs to it.
    pub(super) fn challenge(&self, scheme: &str, parameters: &str, reason: &str) -> Rejection {
        let realm = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        let mut rejection = Rejection::new(401, reason);
        let challenge = format!("{scheme} realm=\"{realm}\"{parameters}");
        rejection.fields.append("WWW-Authenticate", challenge);
        rejection
    }
}

/// What stands in the `Authorization` field behind this scheme, where it has this scheme.
///
/// # Errors
///
/// There are several such fields, of which each reader might take another.
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
