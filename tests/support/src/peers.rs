//! The program as a process, and the third-party clients that `tests/peers/run` starts.

pub(crate) mod middle;
pub(crate) mod tcp;

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How long a process may take to say where it listens.
const START: Duration = Duration::from_secs(60);

/// How long a peer may take for all it does. The peers have shorter deadlines of their own, and
/// say what they were waiting for.
const PEER: Duration = Duration::from_secs(180);

/// What `tests/peers/run` exits with where the client is not installed.
const NOT_INSTALLED: i32 = 77;

/// What it exits with where the client needs Python 2.7 and there is none.
const NO_PYTHON_2: i32 = 78;

/// A server that listens: `polysock serve`, or one of a third party. Ends when dropped.
pub(crate) struct Server {
    process: Process,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts `polysock serve` with these arguments on a port of its own.
    pub(crate) fn polysock(arguments: &[&str]) -> Self {
        Self::run("serve", arguments)
    }

    /// Starts `polysock capture`, which writes to this directory.
    pub(crate) fn capture(directory: &str) -> Self {
        Self::run("capture", &["--out", directory])
    }

    fn run(subcommand: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_polysock"));
        command
            .args([subcommand, "--listen", "127.0.0.1:0"])
            .args(arguments)
            .env_remove("RUST_LOG")
            .env("NO_COLOR", "1");
        Self::start(&mut command).expect("polysock says where it listens")
    }

    /// Starts a third party's server by the name that `tests/peers/run --serve` has for it; `None`
    /// where it is not installed.
    pub(crate) fn third_party(name: &str) -> Option<Self> {
        let mut command = Command::new(run());
        Self::start(command.args(["--serve", name]))
            .map_err(|end| end.skip_or_fail(name))
            .ok()
    }

    fn start(command: &mut Command) -> Result<Self, End> {
        // Held open as long as the server may run: the third party's ends with it.
        let mut process = Process::start(command.stdin(Stdio::piped()));
        let found = process.wait_for_line(START, |line| {
            let (_, address) = line.split_once("listening on ")?;
            address.trim().parse().ok()
        });
        match found {
            Some(address) => Ok(Self { process, address }),
            None => Err(process.end(Duration::ZERO)),
        }
    }

    /// Asks the server to end, waits until it has, and returns what it printed.
    pub(crate) fn stop(mut self) -> String {
        self.process.terminate();
        let end = self.process.end(START);
        assert!(
            end.status.is_some_and(|status| status.success()),
            "the server ended with {:?}:\n{}",
            end.status,
            end.output
        );
        end.output
    }
}

/// Runs `polysock replay` to its end: whether all was as recorded, and what it printed.
pub(crate) fn replay(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polysock"));
    let command = command.arg("replay").args(arguments).stdin(Stdio::null());
    let end = Process::start(command).end(PEER);
    let code = end.status.and_then(|status| status.code());
    assert!(matches!(code, Some(0 | 1)), "{code:?}: {}", end.output);
    (code == Some(0), end.output)
}

/// A third-party client at work. Ends when dropped.
pub(crate) struct Peer {
    process: Process,
    name: String,
}

impl Peer {
    /// Starts `tests/peers/run` with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// As [`Peer::start`], with variables of its own.
    pub(crate) fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(run());
        command
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        Self {
            process: Process::start(&mut command),
            name: arguments.join(" "),
        }
    }

    /// Waits until it has printed a line with this beginning; whether it did.
    pub(crate) fn waits_for(&mut self, beginning: &str) -> bool {
        let found = |line: &str| line.starts_with(beginning).then_some(());
        self.process.wait_for_line(PEER, found).is_some()
    }

    /// Waits until it has ended, and returns what it printed; `None` where it is not installed.
    /// Fails the test where the peer failed.
    pub(crate) fn passes(mut self) -> Option<String> {
        let end = self.process.end(PEER);
        let name = &self.name;
        match end.status {
            Some(status) if status.success() => {
                assert!(end.output.contains("PASS "), "{name}:\n{}", end.output);
                Some(end.output)
            }
            _ => {
                end.skip_or_fail(name);
                None
            }
        }
    }
}

/// The clients of `tests/peers/run`, with each version.
pub(crate) fn every_peer() -> Vec<(String, String)> {
    let mut process = Process::start(Command::new(run()).arg("--list").stdin(Stdio::null()));
    let list = process.end(START).output;
    list.lines()
        .flat_map(|line| {
            let mut words = line.split_whitespace().map(String::from);
            let peer = words.next().unwrap_or_default();
            words.map(move |version| (peer.clone(), version))
        })
        .collect()
}

fn run() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "tests", "peers", "run"]
        .iter()
        .collect()
}

/// How a process ended.
#[derive(Debug)]
struct End {
    /// `None` where it had to be killed.
    status: Option<ExitStatus>,
    output: String,
}

impl End {
    /// Says which peer is not installed, or fails the test.
    fn skip_or_fail(&self, name: &str) {
        let required = env::var_os("POLYSOCK_PEERS_REQUIRED").is_some();
        let output = self.output.trim_end();
        match self.status.map(|status| status.code()) {
            Some(Some(NO_PYTHON_2)) => say(output),
            Some(Some(NOT_INSTALLED)) if !required => say(output),
            Some(_) => panic!("{name}:\n{output}"),
            None => panic!("{name}: no end within the deadline:\n{output}"),
        }
    }
}

/// Writes a line that is seen whether or not the test passes.
fn say(line: &str) {
    // What eprintln! writes is kept back by the test harness.
    let _ = writeln!(io::stderr(), "{line}");
}

/// A process, with everything it prints. Killed when dropped before it has ended; the one peer
/// that has children, Chromium's, takes them along.
struct Process {
    child: Child,
    lines: Receiver<String>,
    output: String,
    ended: bool,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program is there and executable");
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().expect("it is a pipe");
        let stderr = child.stderr.take().expect("it is a pipe");
        collect(stdout, sender.clone());
        collect(stderr, sender);
        Self {
            child,
            lines,
            output: String::new(),
            ended: false,
        }
    }

    /// Waits for a line that `find` finds something in.
    fn wait_for_line<T>(&mut self, limit: Duration, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        while let Ok(line) = self.next_line(deadline) {
            if let Some(found) = find(&line) {
                return Some(found);
            }
        }
        None
    }

    /// Waits for the end, and kills the process where it does not come.
    fn end(&mut self, limit: Duration) -> End {
        let deadline = Instant::now() + limit;
        let timely = loop {
            match self.next_line(deadline) {
                Ok(_) => {}
                // Nobody holds the other end of its output any more.
                Err(RecvTimeoutError::Disconnected) => break true,
                Err(RecvTimeoutError::Timeout) => break false,
            }
        };
        if !timely {
            let _ = self.child.kill();
        }
        let status = self.child.wait().expect("it was not waited for before");
        self.ended = true;
        End {
            status: Some(status).filter(|_| timely),
            output: std::mem::take(&mut self.output),
        }
    }

    fn next_line(&mut self, deadline: Instant) -> Result<String, RecvTimeoutError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = self.lines.recv_timeout(left)?;
        self.output.push_str(&line);
        self.output.push('\n');
        Ok(line)
    }

    /// Sends SIGTERM, which the standard library cannot.
    fn terminate(&self) {
        let id = self.child.id().to_string();
        let _ = Command::new("sh").args(["-c", "kill \"$0\"", &id]).status();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            self.output
                .extend(self.lines.try_iter().map(|line| line + "\n"));
            eprintln!("{}", self.output);
        }
    }
}

fn collect(pipe: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if lines.send(line).is_err() {
                return;
            }
        }
    });
}
