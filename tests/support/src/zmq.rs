//! A ZeroMQ peer that sends, by ZMTP 3.0 with the mechanism NULL.

use std::net::SocketAddr;

use crate::client::Client;

/// A peer of a bound socket.
pub struct ZmqPeer {
    client: Client,
}

impl ZmqPeer {
    /// Connects a PUSH socket to a PULL socket, and completes the handshake.
    pub fn push(address: SocketAddr) -> Self {
        Self::connect(address, "PUSH", "PULL")
    }

    /// Connects a PUB socket to a SUB socket, and waits for the subscription to everything.
    pub fn publisher(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address, "PUB", "SUB");
        peer.client.expect(b"\0\x01\x01");
        peer
    }

    fn connect(address: SocketAddr, own: &str, other: &str) -> Self {
        let mut client = Client::connect(address);
        client.send(greeting("NULL"));
        client.send(ready(own));
        client.expect(greeting("NULL"));
        client.expect(ready(other));
        Self { client }
    }

    /// Sends a message with these parts.
    pub fn send(&mut self, parts: &[impl AsRef<[u8]>]) {
        let last = parts.len() - 1;
        for (number, part) in parts.iter().enumerate() {
            self.client.send(frame(number < last, part.as_ref()));
        }
    }

    /// Returns the connection, to send other bytes than messages.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// Builds a greeting of version 3.0 with this mechanism.
pub fn greeting(mechanism: &str) -> Vec<u8> {
    let mut greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0".to_vec();
    greeting.extend_from_slice(mechanism.as_bytes());
    greeting.resize(64, 0);
    greeting
}

/// Builds the READY command of a socket of this type.
pub fn ready(kind: &str) -> Vec<u8> {
    let property = b"\x05READY\x0bSocket-Type\0\0\0";
    let len = property.len() + 1 + kind.len();
    [
        &[0x04, byte(len)],
        &property[..],
        &[byte(kind.len())],
        kind.as_bytes(),
    ]
    .concat()
}

/// Builds a frame of a message. `has_more` says whether more frames follow.
pub fn frame(has_more: bool, part: &[u8]) -> Vec<u8> {
    let more = u8::from(has_more);
    match u8::try_from(part.len()) {
        Ok(len) => [&[more, len], part].concat(),
        Err(_) => {
            let len = u64::try_from(part.len()).expect("a length");
            [&[more | 0x02], &len.to_be_bytes()[..], part].concat()
        }
    }
}

fn byte(len: usize) -> u8 {
    u8::try_from(len).expect("a short command")
}
