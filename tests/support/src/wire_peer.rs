//! The other end of a connection, in any protocol: it sends what it is told to, answers nothing by
//! itself, and sees every event on the wire.
#![allow(dead_code, reason = "no test needs all of it")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use polysock::protocols::http::HeadLimits;
use polysock::protocols::{
    Codec, Context, Dial, Event, Limits, Negotiated, Negotiation, Protocol, WriteBuf,
};
use polysock::{Accept, Kind, Piece};
use socket2::SockRef;

use super::server::PATIENCE;

const CONTEXT: Context = Context {
    secure: false,
    limits: Limits {
        frame: u64::MAX,
        fragments: u32::MAX,
        discarded: u64::MAX,
    },
    compression: None,
    entropy: |bytes| bytes.fill(7),
};

/// A connection whose opening handshake is complete.
pub(crate) struct WirePeer {
    stream: TcpStream,
    codec: Box<dyn Codec>,
    incoming: BytesMut,
}

/// What comes next on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Event(Event),
    /// The other side has ended its direction.
    End,
    /// The connection was reset.
    Reset,
}

impl WirePeer {
    /// A client.
    pub(crate) fn dial(protocol: &dyn Protocol, address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).expect("it listens");
        bound(&stream);
        let dial = Dial {
            host: address.to_string().into(),
            ..Dial::default()
        };
        let mut dialer = protocol.dial(&dial, &CONTEXT).expect("a request");
        let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
        let codec = loop {
            let dialled = dialer.advance(&mut incoming, &mut outgoing);
            stream.write_all(&outgoing.split()).expect("room");
            if let Some(dialled) = dialled.expect("a valid answer") {
                break dialled.codec;
            }
            assert!(read(&mut stream, &mut incoming).expect("an answer") > 0);
        };
        Self {
            stream,
            codec,
            incoming,
        }
    }

    /// A server, which accepts the opening handshake of a protocol.
    pub(crate) fn accept(protocol: &'static dyn Protocol, mut stream: TcpStream) -> Self {
        bound(&stream);
        let protocols = [protocol];
        let mut negotiation = Negotiation::new(&protocols, HeadLimits::default());
        let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
        let mut responder = loop {
            match negotiation.advance(&mut incoming) {
                Ok(Some(Negotiated::WebSocket(recognised))) => {
                    break recognised
                        .open(&CONTEXT)
                        .expect("a valid request")
                        .responder;
                }
                Ok(None) => assert!(read(&mut stream, &mut incoming).expect("a request") > 0),
                other => panic!("{other:?}"),
            }
        };
        let codec = loop {
            let codec = responder.respond(&Accept::default(), &mut incoming, &mut outgoing);
            stream.write_all(&outgoing.split()).expect("room");
            if let Some(codec) = codec.expect("a valid request") {
                break codec;
            }
            assert!(read(&mut stream, &mut incoming).expect("the rest") > 0);
        };
        Self {
            stream,
            codec,
            incoming,
        }
    }

    /// Sends an event; false where the other side takes no more.
    pub(crate) fn send(&mut self, event: Event) -> bool {
        let mut outgoing = WriteBuf::new();
        let encoded = self.codec.encode(event, &mut outgoing);
        encoded.expect("the protocol can say it");
        let bytes = outgoing.copy_to_bytes(outgoing.remaining());
        self.stream.write_all(&bytes).is_ok()
    }

    /// Sends a text, or the beginning of one.
    pub(crate) fn send_text(&mut self, text: &'static [u8], end: bool) -> bool {
        let (kind, payload) = (Kind::Text, text.into());
        self.send(Event::Data(Piece { kind, payload, end }))
    }

    /// What comes next.
    pub(crate) fn see(&mut self) -> Seen {
        loop {
            if let Some(event) = self.codec.decode(&mut self.incoming).expect("a frame") {
                return Seen::Event(event);
            }
            match read(&mut self.stream, &mut self.incoming) {
                Ok(0) => return Seen::End,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Seen::Reset,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// What comes next beside messages.
    pub(crate) fn see_control(&mut self) -> Seen {
        loop {
            match self.see() {
                Seen::Event(Event::Data(_)) => {}
                other => return other,
            }
        }
    }

    /// Whether nothing comes for some time, not even the end.
    pub(crate) fn sees_nothing(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).expect("a timeout");
        let end = self.stream.read(&mut [0]);
        self.stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout");
        end.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Ends our direction.
    pub(crate) fn hang_up(&mut self) {
        // It may be gone already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Resets the connection.
    pub(crate) fn reset(self) {
        let linger = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        linger.expect("an option of sockets");
    }
}

fn bound(stream: &TcpStream) {
    stream.set_nodelay(true).expect("no delay");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
}

/// Reads once.
fn read(stream: &mut TcpStream, incoming: &mut BytesMut) -> std::io::Result<usize> {
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer)?;
    incoming.extend_from_slice(buffer.get(..count).unwrap_or_default());
    Ok(count)
}
