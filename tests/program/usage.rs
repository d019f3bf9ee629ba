//! Command lines, and the errors for wrong ones.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use polysock_test_support::PATIENCE;
use polysock_test_support::program::{self, Input};

use crate::POLYSOCK;

#[test]
fn lists_the_protocols() {
    let run = POLYSOCK.run(&["protocols"], Input::NOTHING);
    assert_eq!(run.text(), include_str!("protocols.txt"));
    assert_eq!(run.stderr, "");
    assert_eq!(run.code, Some(0));
}

#[test]
fn prints_its_version_and_features() {
    let version = concat!("polysock ", env!("CARGO_PKG_VERSION"), "\n");
    for arguments in [&["--version"][..], &["-V"], &["version"]] {
        let run = POLYSOCK.run(arguments, Input::NOTHING);
        assert_eq!(run.text(), version, "{arguments:?}");
        assert_eq!(run.code, Some(0), "{arguments:?}");
    }
    let run = POLYSOCK.run(&["version", "-v"], Input::NOTHING);
    let tls = match cfg!(feature = "tls") {
        true if cfg!(feature = "legacy-tls") => {
            "yes (1.2 and 1.3, by rustls; 1.0 and 1.1 if configured, by s2n-tls; both with aws-lc)"
        }
        true => {
            "yes (1.2 and 1.3, by rustls with aws-lc; not 1.0 and 1.1: built without the feature `legacy-tls`)"
        }
        false => "no (built without the feature `tls`)",
    };
    let table = include_str!("protocols.txt").lines().skip(1);
    let protocols: String = table
        .filter_map(|line| line.split(' ').next())
        .map(|name| format!(" {name}"))
        .collect();
    let expected = format!("{version}tls:       {tls}\nprotocols:{protocols}\n");
    assert_eq!(run.text(), expected);
}

#[test]
fn prints_help_for_each_command() {
    const SERVES: &str = "Listen, and serve every client in the protocol it speaks\n";
    let all = POLYSOCK.run(&["--help"], Input::NOTHING);
    assert!(all.text().contains(SERVES), "{}", all.text());
    let one = POLYSOCK.run(&["serve", "--help"], Input::NOTHING);
    assert!(one.text().starts_with(SERVES), "{}", one.text());
    assert!(one.text().contains("Without arguments"), "{}", one.text());
}

#[test]
fn names_the_cause_of_wrong_usage_and_the_fix() {
    for (arguments, parts) in [
        (
            &["serve", "--protocols", "hixie-76,hixie77"][..],
            &[
                "`hixie77` is not a protocol",
                "`polysock protocols` lists them",
            ][..],
        ),
        (
            &["serve", "--max-message", "1T"],
            &["'1T' for '--max-message", "with KiB, MiB or GiB, or `none`"],
        ),
        (
            &["serve", "--max-message", "MiB"],
            &["'MiB' for '--max-message", "the number is missing"],
        ),
        (
            &["serve", "--close-timeout", "10"],
            &["'10' for '--close-timeout", "ms, s, m or h, as 10s"],
        ),
        (
            &["serve", "--close-timeout", "soon"],
            &["'soon' for '--close-timeout", "ms, s, m or h, as 10s"],
        ),
        (
            &["serve", "--ping-interval", "0s"],
            &["'0s' for '--ping-interval", "write `none` for no limit"],
        ),
        (
            &["serve", "--subprotocol", "v1,v 2"],
            &[
                "'v 2' for '--subprotocol",
                "write a token, of letters, digits",
            ],
        ),
        (
            &["serve", "--subprotocol", "v1,"],
            &["'--subprotocol", "write a token, of letters, digits"],
        ),
        (
            &["serve", "--origin", "a.example"],
            &[
                "'a.example' for '--origin",
                "write http://a.example or https://a.example",
            ],
        ),
        (
            &["serve", "--origin", "http://a.example/chat"],
            &["an origin must not have a path, query or fragment; write scheme and host"],
        ),
        (
            &["explain", "-", "--origin", "http://a.*.example"],
            &["`*` can only replace the first label of a host"],
        ),
        (
            &["serve", "--app", "echo", "tcp://127.0.0.1:1"],
            &["'--app <APP>' cannot be used with '[UPSTREAM]'"],
        ),
        (
            &["serve", "--app", "shout"],
            &["'shout' for '--app", "echo, chat"],
        ),
        (
            &["serve", "ftp://127.0.0.1/"],
            &[
                "`ftp://127.0.0.1/` is not an upstream",
                "tcp://HOST:PORT, unix:PATH",
            ],
        ),
        (
            &["serve", "tcp://localhost"],
            &[
                "`tcp://localhost`",
                "the port is missing: write tcp://HOST:PORT",
            ],
        ),
        (
            &["serve", "tcp://localhost:http"],
            &["`tcp://localhost:http`", "not a number up to 65535"],
        ),
        (
            &["serve", "unix:"],
            &["the path is missing: write unix:PATH"],
        ),
        (
            &["serve", "ws://:80/"],
            &[
                "`ws://:80/`",
                "the host is missing: write ws://HOST:PORT/PATH",
            ],
        ),
        (
            &["serve", "ws+hixie-77://localhost"],
            &[
                "`hixie-77` is not a protocol",
                "`polysock protocols` lists them",
            ],
        ),
        (
            &["serve", "--listen", "host.invalid:80"],
            &["'host.invalid:80' for '--listen", "the host is unknown"],
        ),
        (
            &["serve", "--listen", "8080"],
            &["the port is missing: write HOST:PORT, as 127.0.0.1:8080"],
        ),
        (
            &["serve", "--listen", "127.0.0.1:http"],
            &["the port is not a number up to 65535"],
        ),
        (
            &["connect", "http://127.0.0.1/"],
            &[
                "`http://127.0.0.1/` is not a WebSocket URL",
                "ws://HOST:PORT/PATH",
            ],
        ),
        (
            &["connect", "ws+hixie77://127.0.0.1"],
            &[
                "`hixie77` is not a protocol",
                "`polysock protocols` lists them",
            ],
        ),
        (
            &["connect", "--protocol", "hixie76", "ws://127.0.0.1"],
            &["no such protocol", "`polysock protocols` lists them"],
        ),
    ] {
        let run = POLYSOCK.run(arguments, Input::NOTHING);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.text(), "", "{arguments:?}");
        for part in parts {
            assert!(run.stderr.contains(part), "no `{part}` in\n{}", run.stderr);
        }
    }
}

#[test]
fn says_that_a_port_is_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = POLYSOCK.run(&["serve", "--listen", &address], Input::NOTHING);
    assert_eq!(run.code, Some(1));
    let part = format!("cannot listen on {address}: Address already in use");
    assert!(run.stderr.contains(&part), "{}", run.stderr);
    assert!(
        run.stderr.contains("choose another --listen"),
        "{}",
        run.stderr
    );
}

#[test]
fn says_that_a_port_is_in_use_by_another_polysock() {
    let server = POLYSOCK.echo(&[]);
    let address = server.address.to_string();
    let run = POLYSOCK.run(&["serve", "--listen", &address], Input::NOTHING);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("Address already in use"),
        "{}",
        run.stderr
    );
}

/// Threads with large stacks in a small address space: the third thread does not fit, but smaller
/// allocations do.
#[test]
fn says_that_a_thread_cannot_be_started() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -v 4194304 && exec \"$0\" \"$@\""])
        .arg(POLYSOCK.command().get_program())
        .args(["serve", "--listen", &address.to_string(), "--workers", "20"])
        .env("RUST_MIN_STACK", (3 << 29).to_string())
        .env_remove("RUST_LOG");
    let run = program::run(&mut command, PATIENCE, Input::Open);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(
        run.stderr.contains("cannot start a thread: "),
        "{}",
        run.stderr
    );
    for word in ["listen", "127.0.0.1", "0.0.0.0"] {
        assert!(!run.stderr.contains(word), "{}", run.stderr);
    }
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn names_the_error_of_an_invalid_trace_collector() {
    let mend = match cfg!(feature = "otlp") {
        true => "write http://HOST:4318",
        false => "it needs the feature `otlp`, which this build does not have",
    };
    let flags = ["serve", "--otlp", "collector:4318"];
    let run = POLYSOCK.run(&flags, Input::NOTHING);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains(mend), "{}", run.stderr);
    let file = POLYSOCK.directory("collector").join("polysock.toml");
    std::fs::write(
        &file,
        "[log]\notlp = \"collector:4318\"\n[[route]]\ntarget = \"app:echo\"\n",
    )
    .unwrap();
    let run = POLYSOCK.run(
        &["check", "--config", file.to_str().unwrap()],
        Input::NOTHING,
    );
    assert_eq!(run.code, Some(78), "{}", run.stderr);
    let said = run.text().to_owned() + &run.stderr;
    assert!(said.contains("`otlp` cannot be `collector:4318`"), "{said}");
    assert!(said.contains(mend), "{said}");
}
