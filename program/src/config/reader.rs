//! The state of reading a file.

use std::path::{Path, PathBuf};

use super::problem::Problems;

/// The state of reading a file: the problems found so far, and the directory of the file.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) problems: Problems,
    /// The directory of the file.
    base: PathBuf,
}

impl Reader {
    pub(super) fn new(file: &Path, text: &str) -> Self {
        Self {
            problems: Problems::new(file.to_owned(), text.to_owned()),
            base: file.parent().unwrap_or(Path::new("")).to_owned(),
        }
    }

    /// Resolves a path relative to the directory of the file.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }
}
