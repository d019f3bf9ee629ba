//! A process that listens: `polysock serve`, `polysock capture` or a third-party server.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::PATIENCE;
use crate::client::Client;
use crate::opening::RFC6455;
use crate::process::{End, Process};

/// A running server. Dropping it kills the process.
pub struct Server {
    process: Process,
    /// The address on which the server listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts a process that prints its listening address in a line.
    ///
    /// # Errors
    ///
    /// The process prints none within the limit, or ends.
    pub fn start(command: &mut Command, limit: Duration) -> Result<Self, End> {
        Self::of(Process::start(command), limit)
    }

    /// The same for a running process.
    ///
    /// # Errors
    ///
    /// The same as for [`start`](Self::start).
    pub fn of(mut process: Process, limit: Duration) -> Result<Self, End> {
        let port = process.wait_for_line(limit, |line| {
            // PHP prints another text.
            let beginnings = ["listening on ", "Development Server (http://"];
            let (_, address) = beginnings.iter().find_map(|words| line.split_once(words))?;
            let address = address.split(['"', ')']).next()?.trim();
            let address: SocketAddr = address.parse().ok()?;
            Some(address.port())
        });
        match port {
            Some(port) => Ok(Self {
                process,
                address: ([127, 0, 0, 1], port).into(),
            }),
            None => Err(process.end(Duration::ZERO)),
        }
    }

    /// Connects to the server.
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Connects and sends a request. Returns the connection and the head of the answer.
    pub fn ask(&self, request: impl AsRef<[u8]>) -> (Client, String) {
        let mut client = self.connect();
        client.send(request);
        let head = client.head();
        (client, head)
    }

    /// The same, and expects this status.
    #[track_caller]
    pub fn answers(&self, request: impl AsRef<[u8]>, status: u16) -> (Client, String) {
        let (client, head) = self.ask(request);
        crate::opening::assert_status(&head, status);
        (client, head)
    }

    /// Connects and performs the opening handshake of RFC 6455.
    #[track_caller]
    pub fn websocket(&self) -> Client {
        self.answers(RFC6455, 101).0
    }

    /// Waits for a log line that contains this text, after the lines of earlier waits.
    #[track_caller]
    pub fn log_line(&mut self, part: &str) -> String {
        let found = |line: &str| line.contains(part).then(|| line.to_owned());
        let line = self.process.wait_for_line(PATIENCE, found);
        line.unwrap_or_else(|| panic!("no `{part}` in the log:\n{}", self.process.output()))
    }

    /// Returns the resident memory in bytes: the current value, and the peak.
    pub fn memory(&self) -> (usize, usize) {
        let status = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(status).expect("the program runs");
        let kilobytes = |name: &str| -> usize {
            let line = status.lines().find(|line| line.starts_with(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            let number = number.and_then(|number| number.parse().ok());
            number.expect("a number of kilobytes")
        };
        (kilobytes("VmRSS:") * 1024, kilobytes("VmHWM:") * 1024)
    }

    /// Returns the process ID.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal such as `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Waits until the process ends by itself. Returns its exit code and its whole log.
    #[track_caller]
    pub fn ends_within(&mut self, patience: Duration) -> (Option<i32>, String) {
        let End { status, output } = self.process.end(patience);
        let Some(status) = status else {
            panic!("still there after {patience:?}:\n{output}");
        };
        (status.code(), output)
    }

    /// Ends the server by SIGTERM, and expects that it had to cut no connection. Returns its log.
    #[track_caller]
    pub fn stop(&mut self) -> String {
        self.signal("TERM");
        let (code, log) = self.ends_within(PATIENCE);
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        log
    }
}
