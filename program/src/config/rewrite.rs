//! The rewriting of a request's path.

use std::str::FromStr;

use polysock::upstream::{PathPrefix, PathTemplate, RewriteError};
use serde_json::json;

use super::form::{Word, quoted};

/// A parsed path and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written<T> {
    pub(crate) path: T,
    text: String,
}

/// The form of a path prefix, or `none`.
pub(super) fn prefix() -> Word<Option<Written<PathPrefix>>> {
    path()
}

/// The form of a path with an optional query, or `none`.
pub(super) fn rewrite() -> Word<Option<Written<PathTemplate>>> {
    path()
}

fn path<T: FromStr<Err = RewriteError>>() -> Word<Option<Written<T>>> {
    Word {
        read: |text| match text {
            "none" => Ok(None),
            text => match text.parse() {
                Ok(path) => Ok(Some(Written {
                    path,
                    text: text.to_owned(),
                })),
                Err(error) => Err(error.to_string()),
            },
        },
        write: |path| {
            let text = path.as_ref().map_or("none", |path| &path.text);
            Some(quoted(text))
        },
        schema: || json!({ "type": "string", "pattern": "^(/.*|none)$|\\$\\{" }),
    }
}
