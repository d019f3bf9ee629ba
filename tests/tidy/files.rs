//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns all Rust files below a directory, in order. The directory need not exist.
pub(crate) fn sources(root: &str) -> Vec<PathBuf> {
    files(root, "rs")
}

/// Returns all files below a directory with this extension, in order.
pub(crate) fn files(root: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![repository().join(root)];
    while let Some(directory) = directories.pop() {
        // A directory that does not exist contains nothing to check.
        let Ok(entries) = fs::read_dir(directory) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                // The build output of a nested crate is not checked.
                if path.file_name().is_none_or(|name| name != "target") {
                    directories.push(path);
                }
            } else if path.extension().is_some_and(|other| other == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns the path of a file, relative to the root of the repository.
pub(crate) fn name(path: &Path) -> String {
    let inside = path.strip_prefix(repository()).unwrap();
    inside.to_str().unwrap().to_owned()
}

/// Returns the text of a file.
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the number of lines of a file, without its tests.
pub(crate) fn length(path: &Path) -> usize {
    let text = read(path);
    let code = text.split("#[cfg(test)]\nmod tests {").next();
    code.unwrap_or_default().lines().count()
}

/// Returns the root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
