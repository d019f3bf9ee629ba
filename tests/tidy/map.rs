//! The map of a crate: its modules, line by line.

use std::collections::BTreeMap;
use std::path::Path;

use super::files::{read, repository};

/// Returns the modules in the map of a crate, with the numbers of their lines.
///
/// The map is the block in the docs of lib.rs (of main.rs, if there is no lib.rs) whose first line
/// names a module. The docs must also promise the order that is checked here.
pub(crate) fn floors(root: &str) -> BTreeMap<String, usize> {
    let directory = repository().join(root);
    let mut files = ["lib.rs", "main.rs"]
        .map(|file| directory.join(file))
        .into_iter();
    let file = files.find(|file| file.exists()).unwrap();
    let text = read(&file);
    let docs: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .collect();
    let promise = "A module imports only from the lines above its own";
    let is_promised = docs.iter().any(|line| line.contains(promise));
    assert!(is_promised, "{root}: the map does not say: {promise}");
    let is_map = |block: &&[&str]| {
        let first = block.first().and_then(|line| names(line).next());
        first.is_some_and(|name| is_module(&directory, name))
    };
    let map = docs
        .split(|line| line.trim().starts_with("```"))
        .skip(1)
        .step_by(2)
        .find(is_map)
        .unwrap_or_else(|| panic!("there is no map in {root}"));
    let mut floors = BTreeMap::new();
    for (number, line) in map.iter().enumerate() {
        for room in names(line) {
            let before = floors.insert(room.to_owned(), number);
            assert_eq!(before, None, "{room} is twice in the map of {root}");
        }
    }
    floors
}

/// Returns the top module that contains a file; `None` for the roots themselves.
pub(crate) fn room(root: &str, file: &str) -> Option<String> {
    let inside = Path::new(file).strip_prefix(root).unwrap();
    let first = inside.components().next().unwrap();
    let first = Path::new(first.as_os_str()).with_extension("");
    let room = first.to_str().unwrap();
    (!["lib", "main"].contains(&room)).then(|| room.to_owned())
}

/// Returns the names of a line, which are separated by dots and end at two spaces.
fn names(line: &str) -> impl Iterator<Item = &str> {
    let names = line.trim_start().split("  ").next().unwrap_or_default();
    names.split(" · ").map(str::trim)
}

fn is_module(directory: &Path, name: &str) -> bool {
    !name.is_empty()
        && (directory.join(name).is_dir() || directory.join(format!("{name}.rs")).exists())
}
