//! The program as a command: arguments and stdin in, stdout, stderr and an exit code out.
#![allow(dead_code, reason = "no test needs all of it")]

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;

use super::server::PATIENCE;

/// What stdin is.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    /// These bytes and the end.
    Bytes(&'a [u8]),
    /// Open, and silent.
    Open,
}

/// What a run came to.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    /// Runs the program to its end; one that does not end is killed, and the test fails.
    pub(crate) fn new(arguments: &[&str], input: Input<'_>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_polysock"))
            .args(arguments)
            .env_remove("RUST_LOG")
            .env("COLUMNS", "100")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take();
        if let (Input::Bytes(bytes), Some(mut open)) = (input, stdin.take_if(|_| input.ends())) {
            // One that does not read all of it says why by its exit code.
            let _ = open.write_all(bytes);
        }
        let pid = child.id().to_string();
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = ended.recv_timeout(PATIENCE) else {
            let killed = Command::new("kill").args(["-s", "KILL", &pid]).status();
            panic!("still there after {PATIENCE:?}: {arguments:?}, {killed:?}");
        };
        drop(stdin);
        let Output {
            status,
            stdout,
            stderr,
        } = output.expect("an output");
        Self {
            code: status.code(),
            stdout,
            stderr: String::from_utf8(stderr).expect("text"),
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text")
    }
}

impl Input<'_> {
    fn ends(self) -> bool {
        matches!(self, Self::Bytes(_))
    }
}
