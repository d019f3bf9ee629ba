//! Third-party clients and servers, started by `tests/peers/run`.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{End, Process};
use crate::server::Server;

/// The time within which a process must print its address.
const START: Duration = Duration::from_secs(60);

/// The time limit for all actions of a peer. Peers have shorter deadlines of their own, and print
/// the reason when one expires.
pub const PEER: Duration = Duration::from_secs(180);

/// The exit code of `tests/peers/run` if the client is not installed.
const NOT_INSTALLED: i32 = 77;

/// The exit code if the client needs Python 2.7, which is not installed.
const NO_PYTHON_2: i32 = 78;

/// A running third-party client. Dropping it ends the client.
pub struct Peer {
    process: Process,
    name: String,
}

impl Peer {
    /// Starts `tests/peers/run` with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// The same as [`Peer::start`], with additional environment variables.
    pub fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::run(
            arguments,
            run().envs(variables.iter().copied()).stdin(Stdio::null()),
        )
    }

    /// The same as [`Peer::start`], for a client that runs until [`Peer::stop`].
    pub fn start_endless(arguments: &[&str]) -> Self {
        Self::run(arguments, run().stdin(Stdio::piped()))
    }

    fn run(arguments: &[&str], command: &mut Command) -> Self {
        Self {
            process: Process::start(command.args(arguments)),
            name: arguments.join(" "),
        }
    }

    /// Closes the input of the client, which makes it end.
    pub fn stop(&mut self) {
        self.process.end_input();
    }

    /// Sends a signal such as `KILL` or `STOP`.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Waits for a line that begins with this text. Returns whether one was printed.
    pub fn waits_for(&mut self, beginning: &str) -> bool {
        let found = |line: &str| line.starts_with(beginning).then_some(());
        self.process.wait_for_line(PEER, found).is_some()
    }

    /// Waits for a line that contains this text. Returns whether one was printed. Reports a client
    /// that is not installed.
    pub fn says(&mut self, part: &str) -> bool {
        let found = |line: &str| line.contains(part).then_some(());
        let is_there = self.process.wait_for_line(START, found).is_some();
        if !is_there {
            skip_or_fail(&self.process.end(START), &self.name);
        }
        is_there
    }

    /// Waits until the client has failed, and returns its output; `None` if it is not installed.
    /// Fails the test if the client has passed.
    pub fn fails(mut self) -> Option<String> {
        let end = self.process.end(PEER);
        match end.status.and_then(|status| status.code()) {
            Some(1) => Some(end.output),
            Some(0) => panic!("{} has not failed:\n{}", self.name, end.output),
            _ => {
                skip_or_fail(&end, &self.name);
                None
            }
        }
    }

    /// Waits until the client has ended, and returns its output; `None` if it is not installed.
    /// Fails the test if the client has failed.
    pub fn passes(mut self) -> Option<String> {
        let end = self.process.end(PEER);
        let name = &self.name;
        match end.status {
            Some(status) if status.success() => {
                assert!(end.output.contains("PASS "), "{name}:\n{}", end.output);
                Some(end.output)
            }
            _ => {
                skip_or_fail(&end, name);
                None
            }
        }
    }
}

/// Returns the clients of `tests/peers/run`, each with each of its versions.
pub fn every_peer() -> Vec<(String, String)> {
    let mut process = Process::start(run().arg("--list").stdin(Stdio::null()));
    let list = process.end(START).output;
    list.lines()
        .flat_map(|line| {
            let mut words = line.split_whitespace().map(String::from);
            let peer = words.next().unwrap_or_default();
            words.map(move |version| (peer.clone(), version))
        })
        .collect()
}

/// Starts a third-party server by its name in `tests/peers/run --serve`; `None` if it is not
/// installed.
pub fn serve(name: &str) -> Option<Server> {
    serve_with(name, &[])
}

/// The same with additional environment variables.
pub fn serve_with(name: &str, variables: &[(&str, &OsStr)]) -> Option<Server> {
    let mut command = run();
    command.envs(variables.iter().copied());
    // The pipe stays open while the server runs: the server ends with its stdin.
    command.args(["--serve", name]).stdin(Stdio::piped());
    Server::start(&mut command, START)
        .map_err(|end| skip_or_fail(&end, name))
        .ok()
}

fn run() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers/run"))
}

/// Reports a peer that is not installed, or fails the test.
fn skip_or_fail(end: &End, name: &str) {
    let required = env::var_os("POLYSOCK_PEERS_REQUIRED").is_some();
    let output = end.output.trim_end();
    match end.status.map(|status| status.code()) {
        Some(Some(NO_PYTHON_2)) => say(output),
        Some(Some(NOT_INSTALLED)) if !required => say(output),
        Some(_) => panic!("{name}:\n{output}"),
        None => panic!("{name}: no end within the deadline:\n{output}"),
    }
}

/// Prints a line that is visible even if the test passes.
fn say(line: &str) {
    // The test harness captures the output of `eprintln!`.
    let _ = writeln!(io::stderr(), "{line}");
}
