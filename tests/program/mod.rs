//! The program under test: started on a free port, ended by its pid.
#![allow(
    dead_code,
    clippy::expect_used,
    reason = "each test file uses a part of it"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// The bound of any single wait.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A running `polysock serve`.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts `polysock serve --listen 127.0.0.1:0` with these arguments.
    pub(crate) fn serve(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_polysock"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut log = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            let read = log.read_line(&mut line).expect("the log is text");
            assert!(read > 0, "the program ended before it listened");
            if let Some((_, address)) = line.trim_end().split_once("listening on ") {
                break address.parse().expect("an address");
            }
        };
        // Somebody must read on, or the program would block on its log.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, address }
    }

    /// Connects, with a bound on reads and writes.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the program listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        stream
    }

    /// Connects and performs the opening handshake of RFC 6455.
    pub(crate) fn open(&self) -> TcpStream {
        let mut stream = self.connect();
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n\r\n";
        stream
            .write_all(request.as_bytes())
            .expect("room for a request");
        let head = read_head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        stream
    }

    /// Resident memory in bytes: now, and at its highest.
    pub(crate) fn memory(&self) -> (usize, usize) {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).expect("the program runs");
        let kilobytes = |name: &str| -> usize {
            let line = status.lines().find(|line| line.starts_with(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            number
                .and_then(|number| number.parse().ok())
                .expect("a number of kilobytes")
        };
        (kilobytes("VmRSS:") * 1024, kilobytes("VmHWM:") * 1024)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads up to and with the blank line of a head, byte by byte, so that nothing behind it is
/// taken.
pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a complete head");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("a head of text")
}

/// The header of a masked binary frame with a mask of zeros: its payload is as it stands.
pub(crate) fn frame_header(len: u64) -> Vec<u8> {
    let mut header = vec![0x82, 0xff];
    header.extend(len.to_be_bytes());
    header.extend([0; 4]);
    header
}
