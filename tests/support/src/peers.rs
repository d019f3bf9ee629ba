//! Third-party clients and servers, as `tests/peers/run` starts them.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{End, Process};
use crate::server::Server;

/// How long a process may take to say where it listens.
const START: Duration = Duration::from_secs(60);

/// How long a peer may take for all it does. The peers have shorter deadlines of their own, and
/// say what they were waiting for.
pub const PEER: Duration = Duration::from_secs(180);

/// What `tests/peers/run` exits with where the client is not installed.
const NOT_INSTALLED: i32 = 77;

/// What it exits with where the client needs Python 2.7 and there is none.
const NO_PYTHON_2: i32 = 78;

/// A third-party client at work. Ends when dropped.
pub struct Peer {
    process: Process,
    name: String,
}

impl Peer {
    /// Starts `tests/peers/run` with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// As [`Peer::start`], with variables of its own.
    pub fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::run(
            arguments,
            run().envs(variables.iter().copied()).stdin(Stdio::null()),
        )
    }

    /// As [`Peer::start`], for one that goes on until [`Peer::stop`].
    pub fn start_endless(arguments: &[&str]) -> Self {
        Self::run(arguments, run().stdin(Stdio::piped()))
    }

    fn run(arguments: &[&str], command: &mut Command) -> Self {
        Self {
            process: Process::start(command.args(arguments)),
            name: arguments.join(" "),
        }
    }

    /// Has it come to its end.
    pub fn stop(&mut self) {
        self.process.end_input();
    }

    /// Sends it a signal: `KILL`, `STOP`.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Waits until it has printed a line with this beginning; whether it did.
    pub fn waits_for(&mut self, beginning: &str) -> bool {
        let found = |line: &str| line.starts_with(beginning).then_some(());
        self.process.wait_for_line(PEER, found).is_some()
    }

    /// Waits until it has printed a line with this in it: whether it did. Says so where it is not installed.
    pub fn says(&mut self, part: &str) -> bool {
        let found = |line: &str| line.contains(part).then_some(());
        let is_there = self.process.wait_for_line(START, found).is_some();
        if !is_there {
            skip_or_fail(&self.process.end(START), &self.name);
        }
        is_there
    }

    /// Waits until it has failed, and returns what it printed; `None` where it is not installed.
    /// Fails the test where it passed.
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

    /// Waits until it has ended, and returns what it printed; `None` where it is not installed.
    /// Fails the test where the peer failed.
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

/// The clients of `tests/peers/run`, with each version.
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

/// Starts a third party's server by the name that `tests/peers/run --serve` has for it; `None`
/// where it is not installed.
pub fn serve(name: &str) -> Option<Server> {
    serve_with(name, &[])
}

/// The same with variables of its own.
pub fn serve_with(name: &str, variables: &[(&str, &OsStr)]) -> Option<Server> {
    let mut command = run();
    command.envs(variables.iter().copied());
    // Held open as long as the server may run: it ends with its stdin.
    command.args(["--serve", name]).stdin(Stdio::piped());
    Server::start(&mut command, START)
        .map_err(|end| skip_or_fail(&end, name))
        .ok()
}

fn run() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers/run"))
}

/// Says which peer is not installed, or fails the test.
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

/// Writes a line that is seen whether or not the test passes.
fn say(line: &str) {
    // What eprintln! writes is kept back by the test harness.
    let _ = writeln!(io::stderr(), "{line}");
}
