//! The other end of a connection, in any protocol. It sends only what the test tells it to, answers
//! nothing by itself, and returns every event on the wire.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use polysock::protocols::http::HeadLimits;
use polysock::protocols::{Codec, Dial, Event, Negotiated, Negotiation, Protocol, WriteBuf};
use polysock::{Accept, Kind, Piece};
use socket2::SockRef;

use crate::PATIENCE;
use crate::client::Client;
use crate::member::CONTEXT;

/// A connection whose opening handshake is complete.
pub struct WirePeer {
    client: Client,
    codec: Box<dyn Codec>,
    incoming: BytesMut,
}

/// The next event on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A message, a part of a message, or a control frame.
    Event(Event),
    /// The other side has closed its direction.
    End,
    /// The connection was reset.
    Reset,
}

impl WirePeer {
    /// Creates a client, and performs its opening handshake.
    pub fn dial(protocol: &dyn Protocol, address: SocketAddr) -> Self {
        let mut client = Client::connect(address);
        let dial = Dial {
            host: address.to_string().into(),
            ..Dial::default()
        };
        let mut dialer = protocol.dial(&dial, &CONTEXT).expect("a request");
        let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
        let codec = loop {
            let dialled = dialer.advance(&mut incoming, &mut outgoing);
            client.send(outgoing.split());
            if let Some(dialled) = dialled.expect("a valid answer") {
                break dialled.codec;
            }
            assert!(read(&client, &mut incoming).expect("an answer") > 0);
        };
        Self {
            client,
            codec,
            incoming,
        }
    }

    /// Creates a server, which accepts the opening handshake of a protocol.
    pub fn accept(protocol: &'static dyn Protocol, stream: TcpStream) -> Self {
        Self::accept_with(protocol, stream, &Accept::default())
    }

    /// The same with settings for the answer.
    pub fn accept_with(
        protocol: &'static dyn Protocol,
        stream: TcpStream,
        accept: &Accept,
    ) -> Self {
        let mut client = Client::over(stream);
        let protocols = [protocol];
        let mut negotiation = Negotiation::new(&protocols, HeadLimits::default());
        let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
        let mut responder = loop {
            match negotiation.advance(&mut incoming) {
                Ok(Some(Negotiated::WebSocket(recognised))) => {
                    let opening = recognised.open(&CONTEXT);
                    break opening.expect("a valid request").responder;
                }
                Ok(None) => assert!(read(&client, &mut incoming).expect("a request") > 0),
                other => panic!("{other:?}"),
            }
        };
        let codec = loop {
            let codec = responder.respond(accept, &mut incoming, &mut outgoing);
            client.send(outgoing.split());
            if let Some(codec) = codec.expect("a valid request") {
                break codec;
            }
            assert!(read(&client, &mut incoming).expect("the rest") > 0);
        };
        Self {
            client,
            codec,
            incoming,
        }
    }

    /// Sends an event. Returns false if the other side accepts no more bytes.
    pub fn send(&mut self, event: Event) -> bool {
        let bytes = self.encoded(event);
        self.client.stream().write_all(&bytes).is_ok()
    }

    /// Sends a text, or the beginning of one.
    pub fn send_text(&mut self, text: &'static [u8], end: bool) -> bool {
        self.send(self::text(text, end))
    }

    /// Sends bytes unchanged.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.client.send(bytes);
    }

    /// Sends this text `times` times. Calls `stuck` once when there is no room: the buffers on the
    /// path are full, because the other side does not read. Returns false if the other side accepts
    /// no more bytes.
    pub fn flood(&mut self, message: &'static [u8], times: usize, stuck: impl FnOnce()) -> bool {
        let mut stuck = Some(stuck);
        for _ in 0..times {
            let bytes = self.encoded(text(message, true));
            let mut rest = &bytes[..];
            while stuck.is_some() && !rest.is_empty() {
                self.block(false);
                let written = self.client.stream().write(rest);
                self.block(true);
                match written {
                    Ok(count) => rest = &rest[count..],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        if let Some(stuck) = stuck.take() {
                            stuck();
                        }
                    }
                    Err(_) => return false,
                }
            }
            if self.client.stream().write_all(rest).is_err() {
                return false;
            }
        }
        true
    }

    /// Waits for the next event.
    pub fn see(&mut self) -> Seen {
        loop {
            if let Some(event) = self.codec.decode(&mut self.incoming).expect("a frame") {
                return Seen::Event(event);
            }
            match read(&self.client, &mut self.incoming) {
                Ok(0) => return Seen::End,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Seen::Reset,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits for the next event that is not a message.
    pub fn see_control(&mut self) -> Seen {
        loop {
            match self.see() {
                Seen::Event(Event::Data(_)) => {}
                other => return other,
            }
        }
    }

    /// Closes our direction.
    pub fn hang_up(&mut self) {
        // The connection may be closed already.
        let _ = self.client.stream().shutdown(Shutdown::Write);
    }

    /// Resets the connection, and waits until the other side's kernel has processed the reset.
    pub fn reset(self) {
        let stream = self.client.stream();
        let linger = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        linger.expect("an option of sockets");
        let ours = stream.local_addr().expect("an address");
        let theirs = stream.peer_addr().expect("an address");
        drop(self);
        let deadline = Instant::now() + PATIENCE;
        while is_connected(theirs, ours) {
            assert!(Instant::now() < deadline, "it was not reset");
        }
    }

    fn encoded(&mut self, event: Event) -> bytes::Bytes {
        let mut outgoing = WriteBuf::new();
        let encoded = self.codec.encode(event, &mut outgoing);
        encoded.expect("the protocol can say it");
        outgoing.copy_to_bytes(outgoing.remaining())
    }

    fn block(&self, whether: bool) {
        let set = self.client.stream().set_nonblocking(!whether);
        set.expect("an option of sockets");
    }
}

fn text(text: &'static [u8], end: bool) -> Event {
    let (kind, payload) = (Kind::Text, text.into());
    Event::Data(Piece { kind, payload, end })
}

/// True if the kernel has a connection between these addresses.
fn is_connected(local: SocketAddr, remote: SocketAddr) -> bool {
    let hex = |address: SocketAddr| match address {
        SocketAddr::V4(address) => {
            let ip = u32::from_ne_bytes(address.ip().octets());
            format!("{ip:08X}:{:04X}", address.port())
        }
        SocketAddr::V6(address) => panic!("{address} is not of the loopback interface"),
    };
    let connections = fs::read_to_string("/proc/net/tcp").expect("Linux");
    connections.contains(&format!(" {} {} ", hex(local), hex(remote)))
}

/// Reads once.
fn read(client: &Client, incoming: &mut BytesMut) -> io::Result<usize> {
    let mut buffer = [0; 4096];
    let count = client.stream().read(&mut buffer)?;
    incoming.extend_from_slice(&buffer[..count]);
    Ok(count)
}
