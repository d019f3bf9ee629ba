//! Tests with random files.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::document::Config;
use super::reference::uncommented;

/// Asserts that a valid file is equal to its shown form, and that an invalid file gets an error
/// text.
fn check(text: &str) {
    match Config::read(Path::new("/nowhere/polysock.toml"), text) {
        Ok(loaded) => {
            let shown = loaded.config.to_string();
            let again = Config::read(Path::new("/nowhere/polysock.toml"), &shown);
            let again = again.unwrap_or_else(|error| panic!("{text}\n{shown}\n{error}"));
            let masked = shown.contains("***");
            assert!(masked || again.config == loaded.config, "{text}\n{shown}");
        }
        Err(error) => assert!(!error.to_string().is_empty(), "{text}"),
    }
}

/// The assignments in the reference: table, key and value.
fn assignments() -> Vec<(String, String, String)> {
    let reference = uncommented();
    let mut table = String::new();
    let mut all = Vec::new();
    for line in reference.lines() {
        if line.starts_with('[') {
            table = line.to_owned();
        } else if let Some((key, value)) = line.split_once(" = ")
            && !line.starts_with('#')
        {
            all.push((table.clone(), key.to_owned(), value.to_owned()));
        }
    }
    all
}

/// Further values, which are not in the reference.
const VALUES: &[&str] = &[
    "\"\"",
    "0",
    "-1",
    "1e9",
    "true",
    "\"none\"",
    "\"*\"",
    "[]",
    "{}",
    "[[]]",
    "\"${NOT_SET}\"",
    "\"$$\"",
    "\"18446744073709551616\"",
    "\"99999999999999999999d\"",
    "1979-05-27",
    "\"\\u0000\"",
    "\"\\\"{}\\\"\"",
    "\"file:\"",
    "{ basic = {} }",
    "{ jwt = { from = \"header\", secret = \"a\" } }",
];

/// Builds a file from some of these keys, each with its own value or with another.
fn file(chosen: &[(Index, Option<Index>)]) -> String {
    let all = assignments();
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (key, value) in chosen {
        let at = key.index(all.len());
        let own = &all[at].2;
        let value = value.map(|value| {
            let index = value.index(all.len() + VALUES.len());
            let of_another = all.get(index).map(|(_, _, value)| &**value);
            of_another.unwrap_or_else(|| VALUES[index - all.len()])
        });
        lines.push((at, format!("{} = {}", all[at].1, value.unwrap_or(own))));
    }
    lines.sort();
    lines.dedup_by_key(|(at, _)| *at);
    let (mut text, mut table) = (String::new(), "");
    for (at, line) in &lines {
        if all[*at].0 != table {
            table = &all[*at].0;
            text += &format!("{table}\n");
        }
        text += &format!("{line}\n");
    }
    text + "[[route]]\ntarget = \"app:chat\"\n"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keys_may_have_any_values(
        chosen in vec((any::<Index>(), proptest::option::weighted(0.4, any::<Index>())), 0..8),
    ) {
        check(&file(&chosen));
    }

    #[test]
    fn a_mutated_file_causes_no_panic(
        chosen in vec((any::<Index>(), Just(None)), 0..8),
        changes in vec((any::<Index>(), any::<Index>(), "\\PC{0,4}"), 1..4),
    ) {
        let mut text: Vec<char> = file(&chosen).chars().collect();
        for (from, to, put) in changes {
            let (from, to) = (from.index(text.len() + 1), to.index(text.len() + 1));
            let range = from.min(to)..from.max(to).min(from.min(to) + 12);
            text.splice(range, put.chars());
        }
        check(&text.into_iter().collect::<String>());
    }

    #[test]
    fn a_file_with_any_content_causes_no_panic(text in any::<String>()) {
        check(&text);
    }
}
