//! What the compiler does not check: that files use each other in one direction only, that rooms
//! and files stay small, and that fixtures say where they are from.
//!
//! Each list of known breaches here is exact and only shrinks: what is mended leaves it, and nothing
//! is added.
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

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use self::tidy::arrows::{Arrow, arrows, circles};
use self::tidy::files::{files, length, name, read, repository, sources};
use self::tidy::map::{floors, room};
use self::tidy::modules::Modules;

/// The crates, where their sources are; one that is not there yet is passed over.
const CRATES: &[&str] = &["protocols/src", "src", "instrument/src", "program/src"];

/// Where else there is code.
const OTHER_CODE: &[&str] = &[
    "tests",
    "protocols/tests",
    "instrument/tests",
    "program/tests",
    "examples",
    "benches",
    "protocols/benches",
];

/// The most lines of a file, without its tests.
const MAX_LINES: usize = 400;

/// The most lines of a file that gives a reason on its first line, in the form `//! … (long: REASON)`.
const MAX_LONG_LINES: usize = 600;

/// The most lines of a file of tests.
const MAX_TEST_LINES: usize = 600;

/// The most files that lie flat in the sources of a crate.
const MAX_FLAT: usize = 8;

/// Files that use each other.
const KNOWN_CIRCLES: &[&[&str]] = &[
    &[
        "protocols/src/extension/deflate_frame.rs",
        "protocols/src/extension/negotiation.rs",
        "protocols/src/extension/permessage_deflate.rs",
    ],
    &[
        "protocols/src/protocol.rs",
        "protocols/src/protocol/stream.rs",
    ],
    &[
        "src/broadcast/mod.rs",
        "src/broadcast/post.rs",
        "src/broadcast/topic.rs",
    ],
    &[
        "src/cli/bench/mod.rs",
        "src/cli/capture.rs",
        "src/cli/connect.rs",
        "src/cli/explain.rs",
        "src/cli/import.rs",
        "src/cli/mod.rs",
        "src/cli/protocols.rs",
        "src/cli/replay/mod.rs",
        "src/cli/serve.rs",
        "src/cli/signals.rs",
    ],
    &[
        "src/connection/answers.rs",
        "src/connection/mod.rs",
        "src/connection/wait.rs",
    ],
    &[
        "src/fixture/capture/captures.rs",
        "src/fixture/capture/tap.rs",
    ],
    &[
        "src/fixture/expected.rs",
        "src/fixture/head.rs",
        "src/fixture/place.rs",
    ],
    &[
        "src/fixture/import/exchange.rs",
        "src/fixture/import/mod.rs",
        "src/fixture/import/steps.rs",
        "src/fixture/import/websockify.rs",
    ],
    &[
        "src/fixture/pcap/assembly.rs",
        "src/fixture/pcap/file.rs",
        "src/fixture/pcap/mod.rs",
        "src/fixture/pcap/packet.rs",
        "src/fixture/pcap/stream.rs",
    ],
    &["src/http2/mod.rs", "src/http2/stream.rs"],
    &[
        "src/upstream/mod.rs",
        "src/upstream/stream.rs",
        "src/upstream/websocket.rs",
    ],
];

/// What uses something that does not lie below it: `FILE -> FILE (ITEM)`.
const KNOWN_CLIMBS: &[&str] = &[
    "src/settings.rs -> src/lib.rs (entropy)",
    "src/upstream/websocket.rs -> src/lib.rs (entropy)",
];

/// The crates with more files lying flat, and how many.
const KNOWN_FLAT: &[(&str, usize)] = &[("protocols/src", 16), ("src", 17)];

/// The files of tests that are longer, and their lines at most.
const KNOWN_LONG_TESTS: &[(&str, usize)] = &[
    ("protocols/tests/compression.rs", 945),
    ("tests/broadcast.rs", 651),
    ("tests/capture.rs", 673),
    ("tests/cli.rs", 759),
    ("tests/clients.rs", 762),
    ("tests/closing.rs", 656),
    ("tests/http2.rs", 667),
];

#[test]
fn no_files_use_each_other() {
    let (mut found, mut told) = (BTreeSet::new(), String::new());
    for root in crates() {
        let (arrows, unclear) = arrows(&Modules::read(root));
        assert_eq!(unclear, [""; 0], "cannot be followed");
        for (files, between) in circles(&arrows) {
            if !KNOWN_CIRCLES.contains(&&files[..]) {
                told += &format!("\n{}\n", files.join(" "));
                for Arrow { from, to, item, .. } in between {
                    told += &format!("    {from} -> {to} ({item})\n");
                }
            }
            found.insert(files.join(" "));
        }
    }
    let known: Vec<String> = KNOWN_CIRCLES.iter().map(|files| files.join(" ")).collect();
    assert_exact(&found, known, &told);
}

#[test]
fn rooms_use_only_what_lies_below_them() {
    let mut climbs = BTreeSet::new();
    for root in crates() {
        let floors = floors(root);
        let floor = |file: &str| room(root, file).map(|room| floors[&room]);
        let (arrows, _) = arrows(&Modules::read(root));
        for Arrow { from, to, item, .. } in arrows {
            // The roots lie above everything.
            let (Some(own), below) = (floor(&from), floor(&to)) else {
                continue;
            };
            let is_below = below.is_some_and(|below| below < own);
            if room(root, &from) != room(root, &to) && !is_below {
                climbs.insert(format!("{from} -> {to} ({item})"));
            }
        }
    }
    assert_exact(&climbs, KNOWN_CLIMBS, "");
}

#[test]
fn the_maps_name_every_module_and_no_other() {
    for root in crates() {
        let files = sources(root).into_iter();
        let present: BTreeSet<String> = files.filter_map(|path| room(root, &name(&path))).collect();
        let named: BTreeSet<String> = floors(root).into_keys().collect();
        assert_eq!(named, present, "the map in {root}");
    }
}

#[test]
fn few_files_lie_flat() {
    let known: BTreeMap<&str, usize> = KNOWN_FLAT.iter().copied().collect();
    for root in crates() {
        let directory = repository().join(root);
        let paths = sources(root).into_iter();
        let flat = paths
            .filter(|path| path.parent() == Some(&directory))
            .count();
        match known.get(root) {
            Some(known) => assert!(flat == *known && flat > MAX_FLAT, "{root}: {flat}"),
            None => assert!(flat <= MAX_FLAT, "{root}: {flat} files"),
        }
    }
}

#[test]
fn files_are_short() {
    for path in crates().flat_map(sources) {
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
    let known: BTreeMap<&str, usize> = KNOWN_LONG_TESTS.iter().copied().collect();
    let mut long = BTreeSet::new();
    let roots = OTHER_CODE.iter().filter(|root| root.ends_with("tests"));
    for path in roots.flat_map(|root| sources(root)) {
        let (name, lines) = (name(&path), read(&path).lines().count());
        if lines > MAX_TEST_LINES {
            let max = known.get(&*name).copied().unwrap_or(MAX_TEST_LINES);
            assert!(lines <= max, "{name}: {lines} lines, and {max} are allowed");
            long.insert(name);
        }
    }
    assert_exact(&long, known.keys(), "");
}

#[test]
fn what_is_left_to_do_has_an_issue() {
    for path in CRATES
        .iter()
        .chain(OTHER_CODE)
        .flat_map(|root| sources(root))
    {
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
fn unsafe_code_is_forbidden_in_every_crate() {
    let root = read(&repository().join("Cargo.toml"));
    let lints = section(&root, "workspace.lints.rust");
    assert!(lints.contains("unsafe_code = \"forbid\""), "{lints}");
    for root in crates() {
        let manifest = repository().join(root).with_file_name("Cargo.toml");
        assert!(section(&read(&manifest), "lints").contains("workspace = true"));
    }
}

fn crates() -> impl Iterator<Item = &'static str> {
    let is_there = |root: &&str| repository().join(root).is_dir();
    CRATES.iter().copied().filter(is_there)
}

/// Whether the first line of a file ends in `(long: REASON)`.
fn says_why_it_is_long(path: &Path) -> bool {
    let text = read(path);
    let first = text.lines().next().unwrap_or_default();
    let reason = first.split_once("(long: ").map(|(_, reason)| reason);
    reason
        .is_some_and(|reason| first.starts_with("//! ") && reason.trim_end_matches(").").len() > 3)
}

/// What was found is what is known; `told` says more of it.
fn assert_exact(
    found: &BTreeSet<String>,
    known: impl IntoIterator<Item = impl ToString>,
    told: &str,
) {
    let known: BTreeSet<String> = known.into_iter().map(|known| known.to_string()).collect();
    let new: Vec<&String> = found.difference(&known).collect();
    let gone: Vec<&String> = known.difference(found).collect();
    let is_exact = new.is_empty() && gone.is_empty();
    assert!(
        is_exact,
        "new: {new:#?}\nto be taken off the list: {gone:#?}\n{told}"
    );
}

/// The lines of a table of a manifest.
fn section<'a>(manifest: &'a str, name: &str) -> &'a str {
    let (_, after) = manifest.split_once(&format!("\n[{name}]\n")).unwrap();
    after.split("\n[").next().unwrap()
}
