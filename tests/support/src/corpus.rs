//! The recorded sessions of compat-fixtures.

use std::fs;
use std::path::{Path, PathBuf};

/// The directory they are in.
pub const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../compat-fixtures");

/// Their files, in order.
pub fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(Path::new(DIRECTORY), &mut files);
    files.sort();
    assert!(!files.is_empty());
    files
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|kind| kind == "wire") {
            files.push(path);
        }
    }
}
