//! A peer of ZeroMQ that sends: ZMTP 3.0, NULL.

use std::net::SocketAddr;

use crate::client::Client;

/// A peer of a socket that is bound.
pub struct ZmqPeer {
    client: Client,
}

impl ZmqPeer {
    /// A PUSH socket that is connected to a PULL socket, and ready.
    pub fn push(address: SocketAddr) -> Self {
        Self::connect(address, "PUSH", "PULL")
    }

    /// A PUB socket that is connected to a SUB socket, and knows that it is subscribed to everything.
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

    /// Sends a message of these parts.
    pub fn send(&mut self, parts: &[impl AsRef<[u8]>]) {
        let last = parts.len() - 1;
        for (number, part) in parts.iter().enumerate() {
            self.client.send(frame(number < last, part.as_ref()));
        }
    }

    /// The connection, for what is no message.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// A greeting of version 3.0 with a mechanism.
pub fn greeting(mechanism: &str) -> Vec<u8> {
    let mut greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0".to_vec();
    greeting.extend_from_slice(mechanism.as_bytes());
    greeting.resize(64, 0);
    greeting
}

/// The READY of a socket of this kind.
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

/// A frame of a message, behind which more come or not.
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
