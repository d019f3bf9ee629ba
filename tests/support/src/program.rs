//! The program: runs it with arguments and stdin to stdout, stderr and an exit code, or starts it
//! as a server.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::PATIENCE;
use crate::process;
use crate::server::Server;

/// The path of the program, and a directory for the files of its tests.
///
/// Cargo passes both only to the tests of the package that contains the program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    path: &'static str,
    scratch: &'static str,
}

impl Program {
    /// The values of `CARGO_BIN_EXE_polysock` and `CARGO_TARGET_TMPDIR`.
    pub const fn new(path: &'static str, scratch: &'static str) -> Self {
        Self { path, scratch }
    }

    /// Creates a command that inherits no environment variable from the tests.
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.path);
        command.env_remove("RUST_LOG").env("NO_COLOR", "1");
        command
    }

    /// Runs the program to its end. If it does not end in time, it is killed and the test fails.
    pub fn run(&self, arguments: &[&str], input: Input<'_>) -> Run {
        self.run_within(PATIENCE, arguments, input)
    }

    /// The same with another time limit.
    pub fn run_within(&self, limit: Duration, arguments: &[&str], input: Input<'_>) -> Run {
        let mut command = self.command();
        command.args(arguments);
        run(&mut command, limit, input)
    }

    /// Starts `polysock serve` on a free port of this machine.
    pub fn serve(&self, arguments: &[&str]) -> Server {
        self.serve_on("127.0.0.1:0", arguments)
    }

    /// Starts `polysock serve` on this address. A port of 0 is reached through the loopback
    /// interface.
    pub fn serve_on(&self, listen: &str, arguments: &[&str]) -> Server {
        self.start("serve", listen, arguments)
    }

    /// Starts an echo server with all protocols, and with these arguments.
    pub fn echo(&self, arguments: &[&str]) -> Server {
        let echo = ["--app", "echo", "--protocols", "all"];
        self.serve(&[&echo, arguments].concat())
    }

    /// Starts `polysock capture`, which writes to this directory.
    pub fn capture(&self, directory: &Path, arguments: &[&str]) -> Server {
        let out = ["--out", directory.to_str().expect("a path of text")];
        self.start("capture", "127.0.0.1:0", &[&out, arguments].concat())
    }

    /// Starts `polysock serve` under limits in the syntax of `prlimit`, such as `--nofile=64`.
    pub fn serve_under(&self, limits: &[&str], arguments: &[&str]) -> Server {
        let mut command = Command::new("prlimit");
        command.env_remove("RUST_LOG").env("NO_COLOR", "1");
        command.args(limits).arg(self.path);
        start(command, "serve", "127.0.0.1:0", arguments)
    }

    fn start(&self, subcommand: &str, listen: &str, arguments: &[&str]) -> Server {
        start(self.command(), subcommand, listen, arguments)
    }

    /// Creates an empty directory with this name, which no other test uses.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = Path::new(self.scratch).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("room for the files of tests");
        path
    }
}

fn start(mut command: Command, subcommand: &str, listen: &str, arguments: &[&str]) -> Server {
    command
        .args([subcommand, "--listen", listen])
        .args(arguments)
        .stdin(Stdio::null());
    Server::start(&mut command, PATIENCE).unwrap_or_else(|end| panic!("{end:?}"))
}

/// The stdin of a run.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// These bytes, and then the end.
    Bytes(&'a [u8]),
    /// Open, without bytes.
    Open,
}

impl Input<'_> {
    /// No bytes, and the end.
    pub const NOTHING: Self = Self::Bytes(b"");
}

/// The outcome of a run.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None` if a signal ended the program.
    pub code: Option<i32>,
    /// The output on stdout.
    pub stdout: Vec<u8>,
    /// The output on stderr.
    pub stderr: String,
}

impl Run {
    /// Returns the output on stdout, which must be text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text")
    }
}

/// Runs a command to its end. If it does not end in time, it is killed and the test fails.
pub fn run(command: &mut Command, limit: Duration, input: Input<'_>) -> Run {
    let mut child = command
        .env("COLUMNS", "100")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take();
    if let Input::Bytes(bytes) = input
        && let Some(mut open) = stdin.take()
    {
        // A program that does not read its whole input reports the reason by its exit code.
        let _ = open.write_all(bytes);
    }
    let Output {
        status,
        stdout,
        stderr,
    } = process::output(child, limit);
    drop(stdin);
    Run {
        code: status.code(),
        stdout,
        stderr: String::from_utf8(stderr).expect("text"),
    }
}
