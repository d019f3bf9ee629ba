//! A process that listens: `polysock serve`, `polysock capture`, or a third party's.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::PATIENCE;
use crate::client::Client;
use crate::opening::RFC6455;
use crate::process::{End, Process};

/// A running server, killed when it is dropped.
pub struct Server {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts what says in a line where it listens.
    ///
    /// # Errors
    ///
    /// Where it does not within the limit, or ends.
    pub fn start(command: &mut Command, limit: Duration) -> Result<Self, End> {
        Self::of(Process::start(command), limit)
    }

    /// The same of one that has been started.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start).
    pub fn of(mut process: Process, limit: Duration) -> Result<Self, End> {
        let port = process.wait_for_line(limit, |line| {
            // PHP has words of its own.
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

    /// Connects.
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Connects, sends a request and returns with the head of the answer.
    pub fn ask(&self, request: impl AsRef<[u8]>) -> (Client, String) {
        let mut client = self.connect();
        client.send(request);
        let head = client.head();
        (client, head)
    }

    /// The same where the status of the answer is known.
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

    /// Waits for a line of the log that contains this, behind those that were waited for before.
    #[track_caller]
    pub fn log_line(&mut self, part: &str) -> String {
        let found = |line: &str| line.contains(part).then(|| line.to_owned());
        let line = self.process.wait_for_line(PATIENCE, found);
        line.unwrap_or_else(|| panic!("no `{part}` in the log:\n{}", self.process.output()))
    }

    /// Resident memory in bytes: now, and at its highest.
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

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal: `TERM`, `INT`.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Waits for the process to end by itself; returns its exit code and its whole log.
    #[track_caller]
    pub fn ends_within(&mut self, patience: Duration) -> (Option<i32>, String) {
        let End { status, output } = self.process.end(patience);
        let Some(status) = status else {
            panic!("still there after {patience:?}:\n{output}");
        };
        (status.code(), output)
    }

    /// Has it end as SIGTERM asks it to, and expects that it cut nobody; returns its log.
    #[track_caller]
    pub fn stop(&mut self) -> String {
        self.signal("TERM");
        let (code, log) = self.ends_within(PATIENCE);
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        log
    }
}
