//! What the compiler does not check: that modules import only from the layers below them, that
//! files stay short, and that fixtures say where they are from.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The most lines of a file, without its tests.
const MAX_LINES: usize = 400;

/// The files that are longer and wait to be divided. A file leaves this list when it is not, and
/// none is to be added.
const TOO_LONG: &[&str] = &[];

/// Both crates, where their sources are.
const CRATES: &[&str] = &["src", "protocols/src"];

#[test]
fn modules_import_only_from_the_lines_above_their_own() {
    let breaches: Vec<String> = CRATES.iter().flat_map(|root| layering(root)).collect();
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn the_maps_name_every_module_and_no_other() {
    for root in CRATES {
        let mut present: Vec<String> = sources(root)
            .iter()
            .filter_map(|path| module_of(root, path))
            .collect();
        present.dedup();
        let mut named: Vec<String> = layers(root).into_keys().collect();
        present.sort();
        named.sort();
        assert_eq!(named, present, "the map in {root}/lib.rs");
    }
}

#[test]
fn files_are_short() {
    let mut long = Vec::new();
    for path in CRATES.iter().flat_map(|root| sources(root)) {
        let lines = without_tests(&read(&path)).lines().count();
        if lines > MAX_LINES {
            long.push((name(&path), lines));
        }
    }
    let names: Vec<&str> = long.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, TOO_LONG, "{long:?}");
}

#[test]
fn what_is_left_to_do_has_an_issue() {
    for root in [
        "src",
        "protocols/src",
        "tests",
        "protocols/tests",
        "examples",
        "benches",
    ] {
        for path in sources(root) {
            for (number, line) in (1..).zip(read(&path).lines()) {
                for mark in [
                    concat!("TO", "DO"),
                    concat!("FIX", "ME"),
                    concat!("XX", "X"),
                ] {
                    let Some((_, after)) = line.split_once(mark) else {
                        continue;
                    };
                    let issue = after.trim_start_matches(['(', ' ']).strip_prefix('#');
                    let issue =
                        issue.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
                    assert!(issue, "{}:{number}: {mark} without (#issue)", name(&path));
                }
            }
        }
    }
}

#[test]
fn fixtures_say_where_they_are_from() {
    let fixtures = files("compat-fixtures", "wire");
    assert!(!fixtures.is_empty());
    for path in fixtures {
        let text = read(&path);
        for header in ["client", "source", "protocol"] {
            let values: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix(&format!("# {header}: ")))
                .collect();
            let stated = matches!(&values[..], [value] if !value.trim().is_empty());
            assert!(
                stated,
                "{}: `# {header}: ` is there {values:?}",
                name(&path)
            );
        }
    }
}

#[test]
fn the_protocols_know_no_runtime() {
    let manifest = read(&repository().join("protocols/Cargo.toml"));
    let dependencies = section(&manifest, "dependencies");
    assert!(dependencies.contains("bytes"), "{dependencies}");
    for runtime in ["tokio", "mio", "socket2", "futures", "async-std", "smol"] {
        let named = dependencies.lines().any(|line| line.starts_with(runtime));
        assert!(!named, "{runtime} in the dependencies of the protocols");
    }
}

#[test]
fn unsafe_code_is_forbidden_in_both_crates() {
    let root = read(&repository().join("Cargo.toml"));
    let lints = section(&root, "workspace.lints.rust");
    assert!(lints.contains("unsafe_code = \"forbid\""), "{lints}");
    for manifest in ["Cargo.toml", "protocols/Cargo.toml"] {
        let manifest = read(&repository().join(manifest));
        assert!(section(&manifest, "lints").contains("workspace = true"));
    }
}

/// Where modules of a crate import from their own line or from below it.
fn layering(root: &str) -> Vec<String> {
    let layers = layers(root);
    let mut breaches = Vec::new();
    for path in sources(root) {
        let Some(module) = module_of(root, &path) else {
            continue;
        };
        let code = without_tests(&read(&path));
        let code = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for imported in imports(line, depth(root, &path)) {
                let at = format!("{}: `{}`", name(&path), line.trim());
                match (layers.get(&imported), layers[&module]) {
                    _ if imported == module => {}
                    (Some(layer), own) if *layer < own => {}
                    (Some(_), _) => {
                        breaches.push(format!("{at}: {imported} is not below {module}"));
                    }
                    // Functions of lib.rs itself are below everything.
                    (None, _) if is_function_of_lib(root, &imported) => {}
                    (None, _) => breaches.push(format!("{at}: name the module")),
                }
            }
        }
    }
    breaches
}

/// The modules that a line of code names by their path from the root of the crate.
fn imports(line: &str, depth: usize) -> Vec<String> {
    let from_root = format!("{}::", ["super"].repeat(depth).join("::"));
    let mut imported = Vec::new();
    for prefix in ["crate::", &from_root] {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once(prefix) {
            let is_word = before.ends_with(|c: char| c.is_alphanumeric() || "_:$".contains(c));
            let end = after
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(after.len());
            if !is_word {
                imported.push(after[..end].to_owned());
            }
            rest = after;
        }
    }
    imported
}

/// How many `super` lead from a file to the root of its crate.
fn depth(root: &str, path: &Path) -> usize {
    let inside = path.strip_prefix(repository().join(root)).unwrap();
    let parents = inside.components().count();
    if path.ends_with("mod.rs") {
        parents - 1
    } else {
        parents
    }
}

fn is_function_of_lib(root: &str, name: &str) -> bool {
    let lib = read(&repository().join(root).join("lib.rs"));
    lib.contains(&format!("\nfn {name}("))
}

/// The modules in the map of a crate, by the number of their line.
///
/// The map is the block in the docs of its lib.rs that names `error`; beside it stands what is
/// checked here.
fn layers(root: &str) -> BTreeMap<String, usize> {
    let lib = read(&repository().join(root).join("lib.rs"));
    let docs: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .collect();
    let promise = "A module imports only from the lines above its own";
    assert!(docs.iter().any(|line| line.contains(promise)), "{root}");
    let map = docs
        .split(|line| line.trim().starts_with("```"))
        .skip(1)
        .step_by(2)
        .find(|block| block.iter().any(|line| line.contains(" error")))
        .unwrap_or_else(|| panic!("there is no map in {root}/lib.rs"));
    let mut layers = BTreeMap::new();
    for (number, line) in map.iter().enumerate() {
        // Names with dots between them, and two spaces before what is said of them.
        let names = line.trim_start().split("  ").next().unwrap();
        for module in names.split(" · ") {
            let before = layers.insert(module.to_owned(), number);
            assert_eq!(before, None, "{module} is twice in the map of {root}");
        }
    }
    layers
}

/// The name of the top module that a file belongs to; `None` for the roots themselves.
fn module_of(root: &str, path: &Path) -> Option<String> {
    let inside = path.strip_prefix(repository().join(root)).unwrap();
    let first = inside.components().next().unwrap();
    let first = Path::new(first.as_os_str()).with_extension("");
    let module = first.to_str().unwrap();
    (!["lib", "main"].contains(&module)).then(|| module.to_owned())
}

/// The part of a file before its tests.
fn without_tests(code: &str) -> String {
    let code = code.split("#[cfg(test)]\nmod tests").next();
    code.unwrap_or_default().to_owned()
}

/// The lines of a table of a manifest.
fn section<'a>(manifest: &'a str, name: &str) -> &'a str {
    let (_, after) = manifest.split_once(&format!("\n[{name}]\n")).unwrap();
    after.split("\n[").next().unwrap()
}

fn sources(root: &str) -> Vec<PathBuf> {
    files(root, "rs")
}

/// All files below a directory with this extension, in order.
fn files(root: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![repository().join(root)];
    while let Some(directory) = directories.pop() {
        // What is not there has nothing to be checked.
        let Ok(entries) = fs::read_dir(directory) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                // What a nested crate has built is not ours to read.
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

fn name(path: &Path) -> String {
    let inside = path.strip_prefix(repository()).unwrap();
    inside.to_str().unwrap().to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
