//! How the static files of a `file:` target are served.

use super::form::Switch;
use super::key::Key;
use super::words::text;

/// How the static files of a `file:` target are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilesSettings {
    /// The file that stands for its directory.
    pub(crate) index: String,
    /// Whether a directory without one is listed.
    pub(crate) listing: bool,
}

impl Default for FilesSettings {
    fn default() -> Self {
        Self {
            index: "index.html".to_owned(),
            listing: false,
        }
    }
}

/// Its keys.
pub(super) fn keys() -> Vec<Key<FilesSettings>> {
    vec![
        Key::new(
            "index",
            text(),
            |files: &mut FilesSettings| &mut files.index,
            "The file that a directory is answered with.",
        ),
        Key::new(
            "listing",
            Switch,
            |files| &mut files.listing,
            "Whether a directory without one is listed.",
        ),
    ]
}
