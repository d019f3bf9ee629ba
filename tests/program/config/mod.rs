//! The configuration file, from the user's point of view.

use std::fs;
use std::path::Path;

use polysock_test_support::PATIENCE;
use polysock_test_support::program::{self, Input, Run};

use crate::POLYSOCK;

/// Runs the program in a directory with this configuration file.
fn run_with(directory: &Path, text: &str, arguments: &[&str]) -> Run {
    fs::write(directory.join("polysock.toml"), text).unwrap();
    let mut command = POLYSOCK.command();
    command.args(arguments).current_dir(directory);
    command.env_remove("POLYSOCK_NOT_SET");
    command.env("POLYSOCK_SET", "ws://127.0.0.1:9000");
    program::run(&mut command, PATIENCE, Input::NOTHING)
}

/// Compares the errors for the files in `errors.txt` with those listed there. With UPDATE_EXPECT=1
/// the test rewrites `errors.txt` for review.
#[test]
fn every_error_names_its_position_and_its_fix() {
    let directory = POLYSOCK.directory("config-errors");
    fs::write(directory.join("two-lines"), "a\nb\n").unwrap();
    let (mut found, mut expected) = (String::new(), String::new());
    let table = include_str!("errors.txt");
    let (head, cases) = table.split_once("\n#### ").unwrap();
    for case in cases.split("\n#### ") {
        let (title, case) = case.split_once('\n').unwrap();
        let (text, said) = case.split_once("----\n").unwrap();
        let run = run_with(&directory, text, &["check", "--config", "polysock.toml"]);
        let is_usable = !run.stderr.contains(": error: ");
        assert_eq!(run.code, Some(if is_usable { 0 } else { 78 }), "{title}");
        assert_eq!(run.text(), "");
        found += &format!("\n#### {title}\n{text}----\n{}", run.stderr);
        expected += &format!("\n#### {title}\n{text}----\n{}", said.trim_end());
        expected.push('\n');
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/program/config/errors.txt");
        fs::write(file, format!("{}\n{found}", head.trim_end())).unwrap();
    } else {
        assert_eq!(found, expected);
    }
}

#[test]
fn the_default_file_is_valid_and_documented() {
    let default = POLYSOCK.run(&["config", "default"], Input::NOTHING);
    assert_eq!((default.code, &*default.stderr), (Some(0), ""));
    let directory = POLYSOCK.directory("config-default");
    let check = run_with(
        &directory,
        default.text(),
        &["check", "--config", "polysock.toml"],
    );
    assert_eq!((check.code, &*check.stderr), (Some(0), ""));
    let documentation = include_str!("../../../docs/configuration.md");
    let block = format!("```toml\n{}```\n", default.text());
    assert!(
        documentation.contains(&block),
        "put the output of `polysock config default` into docs/configuration.md"
    );
}

/// The error for legacy TLS settings depends on the features of the build.
#[test]
fn old_tls_needs_its_feature() {
    let directory = POLYSOCK.directory("config-old-tls");
    let check = |tls: &str| {
        let text = format!(
            "[[listener]]\naddress = \":1\"\ntls = {{ certificate = \"a.pem\", {tls} }}\n\
             [[route]]\ntarget = \"app:chat\"\n"
        );
        run_with(&directory, &text, &["check", "--config", "polysock.toml"])
    };
    let has_it = cfg!(feature = "legacy-tls");
    for (tls, error) in [
        (
            "min_version = \"1.0\"",
            "write 1.2 or 1.3: TLS 1.0 needs the feature `legacy-tls`, which this build does not have",
        ),
        (
            "legacy = { certificate = \"b.pem\" }",
            "leave `legacy` out, or build it with the feature `legacy-tls`",
        ),
    ] {
        let said = check(tls).stderr;
        assert_eq!(said.contains(error), !has_it, "{tls}: {said}");
    }
    let said = check("legacy = { key = \"b.key\" }").stderr;
    let error = "error: `legacy` has no certificate";
    assert_eq!(said.contains(error), has_it, "{said}");
}

#[test]
fn the_effective_configuration_is_shown_without_secrets() {
    let directory = POLYSOCK.directory("config-show");
    fs::write(directory.join("password"), "hush\n").unwrap();
    let text = "\
[defaults]
ping_interval = \"20s\"

[[route]]
target = \"${POLYSOCK_SET}/?token=hush\"
request_headers.set = { Authorization = \"file:password\" }
";
    let show = ["config", "show", "--config", "polysock.toml"];
    let run = run_with(&directory, text, &show);
    assert_eq!((run.code, &*run.stderr), (Some(0), ""));
    let shown = run.text();
    for part in [
        "[[listener]]\naddress = \"127.0.0.1:8080\"\n",
        "\nping_interval = \"20s\"\n",
        "\n[[route]]\ntarget = \"ws://127.0.0.1:9000/?token=***\"\n",
        "set = { Authorization = \"***\" }",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    assert!(!shown.contains("hush"), "{shown}");
    let of_nothing = POLYSOCK.run(&["config", "show"], Input::NOTHING);
    assert!(
        of_nothing
            .text()
            .ends_with("\n[[route]]\ntarget = \"app:chat\"\n")
    );
    let wrong = run_with(&directory, "[[route]]\n", &show);
    assert_eq!((wrong.code, wrong.text()), (Some(78), ""));
}

#[test]
fn the_schema_has_every_table() {
    let run = POLYSOCK.run(&["config", "schema"], Input::NOTHING);
    let schema: serde_json::Value = serde_json::from_str(run.text()).unwrap();
    for (table, key) in [
        ("/properties", "workers"),
        ("/properties/listener/items/properties", "address"),
        ("/properties/defaults/properties", "max_message"),
        ("/properties/route/items/properties", "max_message"),
        ("/properties/route/items/properties", "target"),
        (
            "/properties/route/items/properties/exec/properties",
            "framing",
        ),
        (
            "/properties/upstream/additionalProperties/properties",
            "balance",
        ),
    ] {
        let table = schema.pointer(table).unwrap();
        let about = &table[key]["description"];
        assert!(about.is_string(), "{key}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let run = POLYSOCK.run(
        &["check", "--config", "/nowhere/at-all.toml"],
        Input::NOTHING,
    );
    assert_eq!(run.code, Some(78));
    let said =
        "/nowhere/at-all.toml: the file cannot be read: No such file or directory (os error 2)\n";
    assert_eq!(run.stderr, said);
}
