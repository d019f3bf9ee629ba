//! A `polysock serve`, or `capture`, whose log and end are looked at.
#![allow(dead_code, reason = "no test needs all of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;

/// The bound of any single wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server, killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    /// The lines of its log, from a thread that reads on so that it never blocks on them. The
    /// channel ends with the process.
    lines: Receiver<String>,
    /// What has been taken from the channel.
    log: Vec<String>,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it on a free port of this machine.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_on("127.0.0.1:0", arguments)
    }

    /// An echo that speaks every protocol, with these arguments beside.
    pub(crate) fn echo(arguments: &[&str]) -> Self {
        let echo = ["--app", "echo", "--protocols", "all"];
        Self::start(&[&echo, arguments].concat())
    }

    /// Starts it on this address; a port of 0 is reached through the loopback interface.
    pub(crate) fn start_on(listen: &str, arguments: &[&str]) -> Self {
        Self::run("serve", listen, arguments)
    }

    /// Starts `polysock capture` on a free port of this machine.
    pub(crate) fn capture(arguments: &[&str]) -> Self {
        Self::run("capture", "127.0.0.1:0", arguments)
    }

    fn run(command: &str, listen: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_polysock"))
            .args([command, "--listen", listen])
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = child.stderr.take().expect("stderr is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(log).lines().map_while(Result::ok);
            for line in lines {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut server = Self {
            child,
            lines,
            log: Vec::new(),
            address: ([127, 0, 0, 1], 0).into(),
        };
        let line = server.log_line("listening on ");
        let (_, address) = line.split_once("listening on ").expect("an address");
        let address = address.trim_end_matches(['"', '}']);
        let bound: SocketAddr = address.parse().expect("an address");
        server.address.set_port(bound.port());
        server
    }

    /// Connects.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Connects, sends a request and returns with the head of the answer.
    pub(crate) fn ask(&self, request: impl AsRef<[u8]>) -> (Client, String) {
        let mut client = self.connect();
        client.send(request);
        let head = client.head();
        (client, head)
    }

    /// Waits for a line of the log that contains this, behind those that were waited for before.
    pub(crate) fn log_line(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.log.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(error) => panic!("no `{part}` in the log ({error}):\n{}", self.log.join("\n")),
            }
        }
    }

    /// Connects, with a bound on reads and writes.
    pub(crate) fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the program listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        stream
    }

    /// Connects and performs the opening handshake of RFC 6455.
    pub(crate) fn websocket(&self) -> TcpStream {
        let mut stream = self.stream();
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n\r\n";
        let sent = stream.write_all(request.as_bytes());
        sent.expect("room for a request");
        // Byte by byte, so that nothing behind the head is taken.
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("a complete head");
            head.extend(byte);
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101 "),
            "{}",
            head.escape_ascii()
        );
        stream
    }

    /// Resident memory in bytes: now, and at its highest.
    pub(crate) fn memory(&self) -> (usize, usize) {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).expect("the program runs");
        let kilobytes = |name: &str| -> usize {
            let line = status.lines().find(|line| line.starts_with(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            let number = number.and_then(|number| number.parse().ok());
            number.expect("a number of kilobytes")
        };
        (kilobytes("VmRSS:") * 1024, kilobytes("VmHWM:") * 1024)
    }

    /// Sends a signal: `TERM`, `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(kill.expect("there is a kill").success());
    }

    /// Waits for the process to end by itself; returns its exit code and its whole log.
    pub(crate) fn ends_within(&mut self, patience: Duration) -> (Option<i32>, String) {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.log.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("still there after {patience:?}:\n{}", self.log.join("\n"))
                }
            }
        }
        let status = self.child.wait().map(|status: ExitStatus| status.code());
        (status.expect("a status"), self.log.join("\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
