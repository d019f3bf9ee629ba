//! A client of bytes: what a test sends is what is on the wire.
#![allow(dead_code, reason = "no test needs all of it")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::server::PATIENCE;

/// After how long without room a peer counts as one that reads no more.
const STUCK: Duration = Duration::from_secs(1);

/// An opening handshake of RFC 6455, with the key of its example.
pub(crate) const RFC6455: &str = "GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// What answers the key of that example.
pub(crate) const RFC6455_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// An opening handshake of Hixie-76 without its eight bytes, with the keys of its example.
pub(crate) const HIXIE_76: &str = "GET /demo HTTP/1.1\r\n\
    Host: example.com\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\
    Upgrade: WebSocket\r\n\
    Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
    Origin: http://example.com\r\n\r\n";

/// The eight bytes of that example.
pub(crate) const HIXIE_76_BODY: &[u8] = b"^n:ds[4U";

/// What answers the keys and the eight bytes of that example.
pub(crate) const HIXIE_76_DIGEST: &[u8] = b"8jKS'y:G*Co,Wxa-";

/// An opening handshake of Hixie-75.
pub(crate) const HIXIE_75: &str = "GET /demo HTTP/1.1\r\n\
    Upgrade: WebSocket\r\n\
    Connection: Upgrade\r\n\
    Host: example.com\r\n\
    Origin: http://example.com\r\n\r\n";

/// The opening handshake of RFC 6455 with another version and further fields.
pub(crate) fn versioned(version: &str, fields: &str) -> String {
    let request = RFC6455.replace("Version: 13", &format!("Version: {version}"));
    with(&request, fields)
}

/// A head with further fields, each of which ends with CRLF.
pub(crate) fn with(head: &str, fields: &str) -> String {
    let lines = head.strip_suffix("\r\n").expect("a head");
    format!("{lines}{fields}\r\n")
}

/// A frame of a client from version 7 on, whose mask of zeros leaves the payload as it stands.
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(len @ ..=125) => frame.extend(len.to_be_bytes().iter().skip(1).map(|len| len | 0x80)),
        Ok(len) => {
            frame.push(0xfe);
            frame.extend(len.to_be_bytes());
        }
        Err(_) => {
            frame.push(0xff);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// One connection. Every wait is bounded, and what is missing by then fails the test.
pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the server listens");
        Self::over(stream)
    }

    /// The same for a connection that was accepted.
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { stream }
    }

    /// Our end, as the server sees it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("an address")
    }

    /// Sends in one write.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("room");
    }

    /// Sends in a write for each byte.
    pub(crate) fn send_bytewise(&mut self, bytes: impl AsRef<[u8]>) {
        for byte in bytes.as_ref().chunks(1) {
            self.send(byte);
        }
    }

    /// Sends this over and over until there has been no room for some time, as the other side
    /// reads no more; returns how much went out.
    pub(crate) fn send_until_stuck(&mut self, bytes: &[u8]) -> usize {
        self.stream
            .set_write_timeout(Some(STUCK))
            .expect("a timeout");
        let mut sent = 0;
        loop {
            let rest = bytes.get(sent % bytes.len()..).unwrap_or_default();
            match self.stream.write(rest) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return sent,
                Err(error) => panic!("{error} after {sent} bytes"),
            }
        }
    }

    /// Ends our direction.
    pub(crate) fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("an open end");
    }

    /// Reads up to and with the blank line of a head, and nothing behind it.
    pub(crate) fn head(&mut self) -> String {
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
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
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

    /// Reads these bytes.
    #[track_caller]
    pub(crate) fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let bytes = self.take(expected.len());
        assert!(
            bytes == expected,
            "expected {expected:02x?}, got {bytes:02x?}"
        );
    }

    /// What one read brings; empty at the end.
    pub(crate) fn read_once(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 64 * 1024];
        let count = self.stream.read(&mut buffer).expect("bytes or the end");
        buffer.truncate(count);
        buffer
    }

    /// All that comes until the server ends its direction.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest,
            Err(error) => panic!("{error} after {rest:02x?}"),
        }
    }

    /// Waits until the server has let go of the connection, in whatever way.
    pub(crate) fn gone(&mut self) {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error} after {rest:02x?}"),
        }
    }
}
