//! What an upstream is asked for in place of the path that a route matches.

use std::fmt;

use serde_json::json;

use super::form::{Word, quoted};

/// What stands for the path that a route matches, in requests to its upstream; what is behind that stays.
/// `/` alone takes it away. It may have the segments that the route's path names, as `/rooms/{room}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rewrite(String);

impl Rewrite {
    /// The path, with `{name}` where a segment of the route's goes.
    pub(crate) fn template(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The path, or `none`.
pub(super) fn rewrite() -> Word<Option<Rewrite>> {
    Word {
        read: |text| {
            let is_path = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#');
            match text {
                "none" => Ok(None),
                _ if !text.starts_with('/') => Err(
                    "write a path, which begins with a slash; `/` takes the path of the route away"
                        .to_owned(),
                ),
                _ if text.chars().all(is_path) => Ok(Some(Rewrite(text.to_owned()))),
                _ => Err(
                    "write a path without blanks, `?` and `#`; what is not ASCII is written as %XX"
                        .to_owned(),
                ),
            }
        },
        write: |rewrite| {
            Some(match rewrite {
                None => quoted("none"),
                Some(rewrite) => quoted(rewrite.template()),
            })
        },
        schema: || json!({ "type": "string" }),
    }
}
