//! The recorded sessions of `compat-fixtures`.

use std::fs;
use std::path::{Path, PathBuf};

/// The directory of the fixtures.
pub const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../compat-fixtures");

/// Returns the files of the fixtures, in order.
pub fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(Path::new(DIRECTORY), &mut files);
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Returns the names, such as `rfc6455/sample`, and the texts of the fixtures, in order.
pub fn texts() -> Vec<(String, String)> {
    let read = |path: PathBuf| {
        let directory = path.parent().and_then(Path::file_name);
        let directory = directory.expect("each protocol has one").display();
        let name = path.file_stem().expect("each file has one").display();
        let text = fs::read_to_string(&path).expect("a text");
        (format!("{directory}/{name}"), text)
    };
    let mut texts: Vec<_> = files().into_iter().map(read).collect();
    texts.sort();
    texts
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
