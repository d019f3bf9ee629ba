//! What becomes of the path of a request.

use serde_json::json;

use super::form::{Word, quoted};

/// The path that is stripped, or that stands for another: with `{name}` where it has what the route's
/// path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathText(String);

impl PathText {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The beginning of paths, or `none`.
pub(super) fn prefix() -> Word<Option<PathText>> {
    Word {
        read: |text| match text {
            "none" => Ok(None),
            _ if text.contains(['?', '#']) => Err("a path has no `?` and no `#`".to_owned()),
            _ => path(text).map(Some),
        },
        write,
        schema: || json!({ "type": "string" }),
    }
}

/// A path and perhaps a query, or `none`.
pub(super) fn rewrite() -> Word<Option<PathText>> {
    Word {
        read: |text| match text {
            "none" => Ok(None),
            _ if text.contains('#') => Err("a path has no `#`".to_owned()),
            _ => path(text).map(Some),
        },
        write,
        schema: || json!({ "type": "string" }),
    }
}

fn path(text: &str) -> Result<PathText, String> {
    if !text.starts_with('/') {
        return Err("write a path, which begins with a slash".to_owned());
    }
    match text.chars().all(|c| c.is_ascii_graphic()) {
        true => Ok(PathText(text.to_owned())),
        false => Err("write blanks and what is not ASCII percent-encoded, as %20".to_owned()),
    }
}

fn write(path: &Option<PathText>) -> Option<String> {
    let text = path.as_ref().map_or("none", PathText::as_str);
    Some(quoted(text))
}
