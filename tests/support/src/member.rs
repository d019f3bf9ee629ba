//! A client or server that exchanges messages in any protocol and over any transport, in the
//! runtime of its test.

use std::future::pending;
use std::time::Duration;

use bytes::BytesMut;
use polysock::protocols::http::HeadLimits;
use polysock::protocols::{
    Context, Dial, Limits, Negotiated, Negotiation, Protocol, Session, SessionConfig,
};
use polysock::{Accept, Closed, Gateway, Message, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::PATIENCE;

/// The context of opening handshakes: without compression, and with constant entropy.
pub const CONTEXT: Context = Context {
    secure: false,
    limits: Limits {
        frame: u64::MAX,
        fragments: u32::MAX,
        discarded: u64::MAX,
    },
    compression: None,
    entropy: |bytes| bytes.fill(7),
};

/// The transport of a client's connection.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// In memory, with a buffer of this size in bytes.
    Memory(usize),
    /// Over a socket, whose writer can be shared with broadcasts.
    Tcp,
}

impl From<usize> for Way {
    fn from(room: usize) -> Self {
        Self::Memory(room)
    }
}

impl Way {
    /// Connects to a gateway.
    pub async fn go(self, gateway: Gateway) -> Box<dyn Transport> {
        let room = match self {
            Self::Memory(room) => room,
            Self::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").await;
                let listener = listener.expect("a free port");
                let address = listener.local_addr().expect("an address");
                tokio::spawn(gateway.serve(listener, pending(), Duration::ZERO));
                let stream = TcpStream::connect(address).await;
                let stream = stream.expect("it listens");
                stream.set_nodelay(true).expect("no delay");
                return Box::new(stream);
            }
        };
        let (ours, theirs) = duplex(room);
        tokio::spawn(async move {
            gateway
                .serve_connection(theirs, polysock::Peer::default())
                .await;
        });
        Box::new(ours)
    }
}

/// A connection whose opening handshake is complete.
pub struct Member {
    stream: Box<dyn Transport>,
    /// The session, for messages that are not flushed immediately.
    pub session: Session,
    incoming: BytesMut,
}

impl Member {
    /// Performs the opening handshake of a protocol.
    pub async fn open(stream: Box<dyn Transport>, protocol: &'static dyn Protocol) -> Self {
        Self::open_offering(stream, protocol, &[]).await
    }

    /// The same with an offer of subprotocols.
    pub async fn open_offering(
        mut stream: Box<dyn Transport>,
        protocol: &'static dyn Protocol,
        subprotocols: &[&'static str],
    ) -> Self {
        let dial = Dial {
            host: "example.com".into(),
            subprotocols: subprotocols.iter().copied().map(Into::into).collect(),
            ..Dial::default()
        };
        let mut dialer = protocol.dial(&dial, &CONTEXT).expect("a request");
        let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
        let codec = loop {
            let dialled = dialer.advance(&mut incoming, &mut outgoing);
            if let Some(dialled) = dialled.expect("a valid answer") {
                break dialled.codec;
            }
            stream.write_all_buf(&mut outgoing).await.expect("room");
            read(&mut stream, &mut incoming).await;
        };
        Self {
            stream,
            session: Session::new(codec, SessionConfig::default()),
            incoming,
        }
    }

    /// Creates a server that accepts the opening handshake of a protocol.
    pub async fn accept(mut stream: Box<dyn Transport>, protocol: &'static dyn Protocol) -> Self {
        let protocols = [protocol];
        let mut negotiation = Negotiation::new(&protocols, HeadLimits::default());
        let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
        let mut responder = loop {
            match negotiation.advance(&mut incoming) {
                Ok(Some(Negotiated::WebSocket(recognised))) => {
                    let opening = recognised.open(&CONTEXT);
                    break opening.expect("a valid request").responder;
                }
                Ok(None) => read(&mut stream, &mut incoming).await,
                other => panic!("{other:?}"),
            }
        };
        let codec = loop {
            let codec = responder.respond(&Accept::default(), &mut incoming, &mut outgoing);
            stream.write_all_buf(&mut outgoing).await.expect("room");
            if let Some(codec) = codec.expect("a valid request") {
                break codec;
            }
            read(&mut stream, &mut incoming).await;
        };
        Self {
            stream,
            session: Session::new(codec, SessionConfig::default()),
            incoming,
        }
    }

    /// Sends a message.
    pub async fn send(&mut self, message: impl Into<Message>) {
        self.session.send(message.into()).expect("it can be said");
        self.flush().await;
    }

    /// Sends the output of the session.
    pub async fn flush(&mut self) {
        let outgoing = self.session.outgoing();
        let sent = timeout(PATIENCE, self.stream.write_all_buf(outgoing)).await;
        // A peer that has disconnected reads no more.
        let _ = sent.expect("room");
    }

    /// Sends the output of the session. Returns true if the other side has disconnected instead.
    pub async fn flush_or_gone(&mut self) -> bool {
        let outgoing = self.session.outgoing();
        let sent = timeout(PATIENCE, self.stream.write_all_buf(outgoing)).await;
        sent.expect("room").is_err()
    }

    /// Reads once and discards the bytes. Returns their number.
    pub async fn read_some(&mut self) -> usize {
        self.incoming.clear();
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.incoming)).await;
        read.expect("something comes").unwrap_or(0)
    }

    /// Waits for the next message; `None` when the connection is closed.
    pub async fn message(&mut self) -> Option<Message> {
        loop {
            let received = self.session.receive(&mut self.incoming);
            if let Some(message) = received.expect("what the protocol allows") {
                return Some(message);
            }
            self.flush().await;
            if self.session.closed().is_some() {
                return None;
            }
            let read = self.stream.read_buf(&mut self.incoming);
            let read = timeout(PATIENCE, read).await.expect("something comes");
            if !matches!(read, Ok(1..)) {
                self.session.receive_eof();
            }
        }
    }

    /// Waits for the next message, which must be a text.
    pub async fn text(&mut self) -> String {
        let message = self.message().await.expect("a message");
        message.as_text().expect("a text").to_owned()
    }

    /// Waits for the next message, and returns the number at its beginning. See [`numbered`].
    pub async fn number(&mut self) -> Option<u32> {
        number(&self.message().await?)
    }

    /// Returns the outcome of the connection.
    pub fn closed(&self) -> &Closed {
        self.session.closed().expect("it is closed")
    }

    /// Waits until bytes arrive, and does not process them.
    pub async fn waits(&mut self) {
        read(&mut self.stream, &mut self.incoming).await;
    }

    /// Returns whether the other side closes its direction within this time. No byte may arrive
    /// before.
    pub async fn ends_within(&mut self, time: Duration) -> bool {
        let came = self.incoming.len();
        let read = timeout(time, self.stream.read_buf(&mut self.incoming)).await;
        let more = &self.incoming[came..];
        assert!(more.is_empty(), "{}", more.escape_ascii());
        read.is_ok()
    }

    /// Closes our direction.
    pub async fn hang_up(&mut self) {
        self.stream.shutdown().await.expect("an open connection");
    }

    /// Waits until the other side closes its direction. No byte may arrive before.
    pub async fn ended(&mut self) {
        assert!(self.ends_within(PATIENCE).await, "it does not end");
    }
}

/// Reads once, and fails if nothing arrives.
async fn read(stream: &mut Box<dyn Transport>, incoming: &mut BytesMut) {
    let read = timeout(PATIENCE, stream.read_buf(incoming)).await;
    let count = read.expect("something comes").expect("no reset");
    assert!(count > 0, "the end after {}", incoming.escape_ascii());
}

/// Creates a message of this length that begins with a number.
pub fn numbered(number: u32, len: usize) -> Message {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(len.max(4), b'.');
    Message::binary(payload)
}

/// Returns the number at the beginning of a message.
pub fn number(message: &Message) -> Option<u32> {
    let (number, _) = message.as_bytes().split_first_chunk()?;
    Some(u32::from_be_bytes(*number))
}
