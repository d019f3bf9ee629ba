//! The manual pages and the shell completions that the program writes.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use polysock_test_support::PATIENCE;
use polysock_test_support::program::{self, Input};

use crate::POLYSOCK;

#[test]
fn each_command_has_a_manual_page() {
    let out = POLYSOCK.directory("manual").join("pages");
    let mut command = POLYSOCK.command();
    command.args(["man", "--out", out.to_str().unwrap()]);
    command.env("SOURCE_DATE_EPOCH", "86400");
    let run = program::run(&mut command, PATIENCE, Input::NOTHING);
    assert_eq!(run.stderr, "");
    assert_eq!(run.code, Some(0));
    let pages: BTreeSet<String> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let commands = commands();
    assert!(commands.contains("serve"), "{commands:?}");
    for command in commands {
        let page = format!("polysock-{command}.1");
        assert!(pages.contains(&page), "{page} of {pages:?}");
    }
    assert!(pages.contains("polysock-config-show.1"), "{pages:?}");
    let serve = fs::read_to_string(out.join("polysock-serve.1")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let title = format!(".TH POLYSOCK-SERVE 1 1970-01-02 \"polysock {version}\" Polysock\n");
    assert!(serve.contains(&title), "{serve}");
    assert!(serve.contains("\\-\\-max\\-message"), "{serve}");
    let blanks = serve.lines().find(|line| line.ends_with(' '));
    assert_eq!(blanks, None, "mandoc -T lint");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let run = POLYSOCK.run(&["man", "--out", "/dev/null/pages"], Input::NOTHING);
    assert!(run.stderr.contains("/dev/null/pages"), "{}", run.stderr);
    assert_eq!(run.code, Some(1));
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = POLYSOCK.run(&["completions", shell], Input::NOTHING);
        assert_eq!(run.code, Some(0), "{shell}");
        for command in commands() {
            assert!(run.text().contains(&command), "{shell}: {command}");
        }
    }
    let script = POLYSOCK.run(&["completions", "bash"], Input::NOTHING);
    let completed = "COMP_WORDS=(polysock re); COMP_CWORD=1; _polysock polysock re polysock
        echo ${COMPREPLY[@]}";
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("{}\n{completed}", script.text())]);
    let run = program::run(&mut bash, PATIENCE, Input::NOTHING);
    assert_eq!(run.text(), "reload replay\n", "{}", run.stderr);
}

/// Returns the commands that the help lists.
fn commands() -> BTreeSet<String> {
    let run = POLYSOCK.run(&["--help"], Input::NOTHING);
    let (_, after) = run.text().split_once("Commands:\n").unwrap();
    let (list, _) = after.split_once("\n\n").unwrap();
    let names = list
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names = names.filter(|name| !name.is_empty() && *name != "help");
    names.map(str::to_owned).collect()
}
