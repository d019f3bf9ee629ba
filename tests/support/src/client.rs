//! A client that sends and receives raw bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::PATIENCE;

/// The time without room to send after which the peer is considered to have stopped reading.
const STUCK: Duration = Duration::from_secs(1);

/// A connection. Every wait is bounded, and the test fails if it expires.
pub struct Client {
    stream: TcpStream,
}

impl Client {
    /// Connects to a server.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the server listens");
        Self::over(stream)
    }

    /// Creates a client over an accepted connection.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { stream }
    }

    /// Returns our address, as the server sees it.
    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("an address")
    }

    /// Returns the socket, for other operations on it.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends the bytes in one write.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("room");
    }

    /// Sends the bytes in one write each.
    pub fn send_bytewise(&mut self, bytes: impl AsRef<[u8]>) {
        for byte in bytes.as_ref().chunks(1) {
            self.send(byte);
        }
    }

    /// Sends the bytes repeatedly until there has been no room for some time, because the other
    /// side has stopped reading. Returns the number of bytes sent.
    pub fn send_until_stuck(&mut self, bytes: &[u8]) -> usize {
        let set = self.stream.set_write_timeout(Some(STUCK));
        set.expect("a timeout");
        let mut sent = 0;
        loop {
            let rest = bytes.get(sent % bytes.len()..).unwrap_or_default();
            match self.stream.write(rest) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error} after {sent} bytes"),
            }
        }
        let set = self.stream.set_write_timeout(Some(PATIENCE));
        set.expect("a timeout");
        sent
    }

    /// Closes our direction.
    pub fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("an open end");
    }

    /// Reads a head up to its blank line, and no byte after it.
    pub fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if let Err(error) = self.stream.read_exact(&mut byte) {
                panic!("{error} after {:?}", String::from_utf8_lossy(&head));
            }
            head.extend(byte);
        }
        String::from_utf8(head).expect("a head of text")
    }

    /// Reads this many bytes.
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let mut taken = 0;
        while let Some(rest @ [_, ..]) = bytes.get_mut(taken..) {
            match self.stream.read(rest) {
                Ok(count @ 1..) => taken += count,
                end => panic!("{end:?} after {:02x?}", bytes.get(..taken)),
            }
        }
        bytes
    }

    /// Reads these bytes, and fails if others arrive.
    #[track_caller]
    pub fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let bytes = self.take(expected.len());
        assert!(
            bytes == expected,
            "expected {expected:02x?}, got {bytes:02x?}"
        );
    }

    /// Reads once. The result is empty at the end of the stream.
    pub fn read_once(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 64 * 1024];
        let count = self.stream.read(&mut buffer).expect("bytes or the end");
        buffer.truncate(count);
        buffer
    }

    /// Reads until the server closes its direction.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest,
            Err(error) => panic!("{error} after {rest:02x?}"),
        }
    }

    /// Waits until the server has released the connection, by a close or by a reset.
    pub fn gone(&mut self) {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error} after {rest:02x?}"),
        }
    }
}
