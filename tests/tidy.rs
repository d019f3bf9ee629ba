//! Rules that the compiler does not check: files use each other in one direction only, modules and
//! files stay small, and fixtures name their source.
//!
//! Each list of known violations here is exact and only shrinks: a violation that is removed leaves
//! the list, and none is added.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod tidy {
    pub(crate) mod arrows;
    pub(crate) mod files;
    pub(crate) mod map;
    pub(crate) mod modules;
    pub(crate) mod tokens;
}

use std::collections::BTreeSet;
use std::path::Path;

use self::tidy::arrows::{Arrow, arrows, circles};
use self::tidy::files::{files, length, name, read, repository, sources};
use self::tidy::map::{floors, room};
use self::tidy::modules::Modules;

/// Directories with code other than the sources of the crates.
const OTHER_CODE: &[&str] = &[
    "tests",
    "protocols/tests",
    "instrument/tests",
    "program/tests",
    "examples",
    "benches",
    "protocols/benches",
    "web/benches",
];

/// The maximum number of lines of a file, without its tests.
const MAX_LINES: usize = 400;

/// The maximum number of lines of a file whose first line gives a reason, in the form `//! … (long:
/// REASON)`.
const MAX_LONG_LINES: usize = 600;

/// The maximum number of lines of a test file.
const MAX_TEST_LINES: usize = 600;

/// The source directories of the crates, and the maximum number of files directly in each. The
/// protocols are small and many; in the other crates each topic has a module.
const CRATES: &[(&str, usize)] = &[
    ("protocols/src", 14),
    ("src", 8),
    ("instrument/src", 8),
    ("web/src", 8),
    ("program/src", 8),
];

#[test]
fn no_files_use_each_other() {
    for (root, _) in CRATES {
        let (arrows, unclear) = arrows(&Modules::read(root));
        assert_eq!(unclear, [""; 0], "cannot be followed");
        let mut told = String::new();
        for (files, between) in circles(&arrows) {
            told += &format!("\n{}\n", files.join(" "));
            for Arrow { from, to, item, .. } in between {
                told += &format!("    {from} -> {to} ({item})\n");
            }
        }
        assert!(told.is_empty(), "{told}");
    }
}

#[test]
fn rooms_use_only_modules_below_them() {
    let mut climbs = BTreeSet::new();
    for (root, _) in CRATES {
        let floors = floors(root);
        let floor = |file: &str| room(root, file).map(|room| floors[&room]);
        let (arrows, _) = arrows(&Modules::read(root));
        for Arrow { from, to, item, .. } in arrows {
            // The roots are above all modules.
            let (Some(own), below) = (floor(&from), floor(&to)) else {
                continue;
            };
            let is_below = below.is_some_and(|below| below < own);
            if room(root, &from) != room(root, &to) && !is_below {
                climbs.insert(format!("{from} -> {to} ({item})"));
            }
        }
    }
    assert_eq!(climbs, BTreeSet::new());
}

#[test]
fn the_maps_name_every_module_and_no_other() {
    for (root, _) in CRATES {
        let files = sources(root).into_iter();
        let present: BTreeSet<String> = files.filter_map(|path| room(root, &name(&path))).collect();
        let named: BTreeSet<String> = floors(root).into_keys().collect();
        assert_eq!(named, present, "the map in {root}");
    }
}

#[test]
fn few_files_are_outside_a_directory() {
    for (root, max) in CRATES {
        let directory = repository().join(root);
        let paths = sources(root).into_iter();
        let flat = paths.filter(|path| path.parent() == Some(&directory));
        assert!(flat.count() <= *max, "{root}");
    }
}

#[test]
fn files_are_short() {
    for path in CRATES.iter().flat_map(|(root, _)| sources(root)) {
        let (name, lines) = (name(&path), length(&path));
        let max = if says_why_it_is_long(&path) {
            assert!(
                lines > MAX_LINES,
                "{name}: it is not long, and gives a reason to be"
            );
            MAX_LONG_LINES
        } else {
            MAX_LINES
        };
        assert!(lines <= max, "{name}: {lines} lines, and {max} are allowed");
    }
}

#[test]
fn tests_are_short() {
    let roots = OTHER_CODE.iter().filter(|root| root.ends_with("tests"));
    for path in roots.flat_map(|root| sources(root)) {
        let (name, lines) = (name(&path), read(&path).lines().count());
        let max = MAX_TEST_LINES;
        assert!(lines <= max, "{name}: {lines} lines, and {max} are allowed");
    }
}

#[test]
fn each_open_task_names_its_issue() {
    let crates = CRATES.iter().map(|(root, _)| root);
    for path in crates.chain(OTHER_CODE).flat_map(|root| sources(root)) {
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

#[test]
fn fixtures_name_their_source() {
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
fn libraries_do_not_speak_of_the_program() {
    for (root, _) in CRATES.iter().filter(|(root, _)| *root != "program/src") {
        for path in sources(root) {
            for (number, line) in (1..).zip(read(&path).lines()) {
                let code = line.split("//").next().unwrap_or_default();
                // More dashes begin a section of PEM.
                let mut options = code
                    .split(" --")
                    .skip(1)
                    .filter(|rest| !rest.starts_with('-'));
                let names_an_option = options.next().is_some() || code.contains("`polysock ");
                assert!(!names_an_option, "{}:{number}: {line}", name(&path));
            }
        }
    }
}

#[test]
fn the_protocols_depend_on_no_runtime() {
    let manifest = read(&repository().join("protocols/Cargo.toml"));
    let dependencies = section(&manifest, "dependencies");
    assert!(dependencies.contains("bytes"), "{dependencies}");
    for runtime in ["tokio", "mio", "socket2", "futures", "async-std", "smol"] {
        let named = dependencies.lines().any(|line| line.starts_with(runtime));
        assert!(!named, "{runtime} in the dependencies of the protocols");
    }
}

#[test]
fn unsafe_code_is_forbidden_in_every_crate() {
    let root = read(&repository().join("Cargo.toml"));
    let lints = section(&root, "workspace.lints.rust");
    assert!(lints.contains("unsafe_code = \"forbid\""), "{lints}");
    for (root, _) in CRATES {
        let manifest = repository().join(root).with_file_name("Cargo.toml");
        assert!(section(&read(&manifest), "lints").contains("workspace = true"));
    }
}

/// True if the first line of a file ends in `(long: REASON)`.
fn says_why_it_is_long(path: &Path) -> bool {
    let text = read(path);
    let first = text.lines().next().unwrap_or_default();
    let reason = first.split_once("(long: ").map(|(_, reason)| reason);
    reason
        .is_some_and(|reason| first.starts_with("//! ") && reason.trim_end_matches(").").len() > 3)
}

/// Returns the lines of a table of a manifest.
fn section<'a>(manifest: &'a str, name: &str) -> &'a str {
    let (_, after) = manifest.split_once(&format!("\n[{name}]\n")).unwrap();
    after.split("\n[").next().unwrap()
}
