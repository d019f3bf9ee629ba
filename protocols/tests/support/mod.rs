//! Helpers shared by the tests: a client and a server joined in memory, and a harness that feeds a
//! vector whole, byte by byte, and twice in a row.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub(crate) mod rows;
pub(crate) mod sessions;

use std::cell::Cell;

use bytes::{Buf, Bytes, BytesMut};
use bytestring::ByteString;
use polysock_protocols::http::HeadLimits;
use polysock_protocols::{
    Accept, BinaryOverText, Close, CloseCode, Codec, Context, Dial, Dialled, Event, HandshakeError,
    Kind, Limits, Message, MessageRef, Negotiated, Negotiation, Opening, Piece, Protocol,
    ProtocolError, Request, Response, Role, WriteBuf, find_protocol,
};

/// Returns a context with the default limits and entropy that differs from call to call.
pub(crate) fn context() -> Context {
    Context {
        secure: false,
        limits: Limits::default(),
        compression: None,
        entropy: arbitrary,
    }
}

/// Fills a buffer with pseudorandom bytes that are the same in each run.
pub(crate) fn arbitrary(bytes: &mut [u8]) {
    thread_local!(static STATE: Cell<u64> = const { Cell::new(0x9e37_79b9_7f4a_7c15) });
    for byte in bytes {
        let mut state = STATE.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        STATE.set(state);
        *byte = state.to_be_bytes()[3];
    }
}

/// Fills a buffer with the masking key of the examples in RFC 6455 §5.7 or, if it has 16 bytes,
/// with the client's key in the vectors of draft 04.
pub(crate) fn sample_client(bytes: &mut [u8]) {
    fill(bytes, b"the sample nonce");
}

/// The same as [`sample_client`], with the server's nonce, in base64 `H+cNj5elaybfGIQv1esl2w==`.
pub(crate) fn sample_server(bytes: &mut [u8]) {
    fill(bytes, &hex("1fe70d8f97a56b26df18842fd5eb25db"));
}

fn fill(bytes: &mut [u8], sixteen: &[u8]) {
    match bytes.len() {
        16 => bytes.copy_from_slice(sixteen),
        _ => {
            let key = [0x37, 0xfa, 0x21, 0x3d].into_iter().cycle();
            bytes
                .iter_mut()
                .zip(key)
                .for_each(|(byte, key)| *byte = key);
        }
    }
}

/// Decodes hexadecimal digits; white space is ignored.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks_exact(2);
    assert!(pairs.remainder().is_empty(), "half a byte of hex");
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

pub(crate) fn piece(kind: Kind, payload: impl Into<Bytes>, end: bool) -> Event {
    let payload = payload.into();
    Event::Data(Piece { kind, payload, end })
}

pub(crate) fn text(text: impl Into<Bytes>) -> Event {
    piece(Kind::Text, text, true)
}

pub(crate) fn binary(bytes: impl Into<Bytes>) -> Event {
    piece(Kind::Binary, bytes, true)
}

pub(crate) fn ping(payload: &'static str) -> Event {
    Event::Ping(Bytes::from_static(payload.as_bytes()))
}

pub(crate) fn pong(payload: &'static str) -> Event {
    Event::Pong(Bytes::from_static(payload.as_bytes()))
}

pub(crate) fn close(code: u16, reason: &str) -> Event {
    Event::Close(Some(Close::new(CloseCode::new(code).unwrap(), reason)))
}

/// The parameters of a connection between a client and a server.
pub(crate) struct Setup {
    pub(crate) dial: Dial,
    pub(crate) server: Context,
    pub(crate) client: Context,
    /// The policy for binary messages to a client without them.
    pub(crate) binary_over_text: BinaryOverText,
    /// The sizes of the chunks in both directions, used cyclically.
    pub(crate) chunks: Vec<usize>,
    /// True if the last eight bytes of the request are held back until the client has the answer's
    /// head.
    pub(crate) hold_body: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            dial: Dial {
                host: ByteString::from_static("example.com"),
                target: ByteString::from_static("/chat?x=1"),
                ..Dial::default()
            },
            server: context(),
            client: context(),
            binary_over_text: BinaryOverText::default(),
            chunks: vec![usize::MAX],
            hold_body: false,
        }
    }
}

/// A client and a server after their handshake.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) request: Box<Request>,
    pub(crate) response: Response,
    pub(crate) server: Box<dyn Codec>,
    pub(crate) client: Box<dyn Codec>,
    /// The bytes that each side wrote in the handshake.
    pub(crate) request_bytes: Vec<u8>,
    pub(crate) response_bytes: Vec<u8>,
}

impl Joined {
    /// Joins both ends of a protocol with the default setup.
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, &Setup::default())
    }

    /// Joins both ends with the masking keys and nonces of the published vectors.
    pub(crate) fn sample(name: &str) -> Self {
        let mut setup = Setup::default();
        setup.server.entropy = sample_server;
        setup.client.entropy = sample_client;
        Self::with(name, &setup)
    }

    pub(crate) fn with(name: &str, setup: &Setup) -> Self {
        let protocol = find_protocol(name).unwrap();
        let protocols = [protocol];
        let mut dialer = protocol.dial(&setup.dial, &setup.client).unwrap();
        let mut negotiation = Negotiation::new(&protocols, HeadLimits::default());
        let (mut up, mut down) = (Link::default(), Link::default());
        let (mut opening, mut server, mut client) = (None, None, None);
        let mut chunks = setup.chunks.iter().copied().cycle();
        for _ in 0..10_000 {
            if client.is_none() {
                client = dialer.advance(&mut down.delivered, &mut up.sent).unwrap();
            }
            let has_head = down.carried.windows(4).any(|four| four == b"\r\n\r\n");
            let held = if setup.hold_body && !has_head { 8 } else { 0 };
            up.carry(chunks.next().unwrap(), held);
            if opening.is_none() {
                let opened = open(&mut negotiation, &mut up.delivered, &setup.server);
                opening = opened
                    .unwrap()
                    .map(|opened| opened.expect("our own request"));
            }
            if let (Some(opening), None) = (&mut opening, &server) {
                let accept = Accept {
                    binary_over_text: setup.binary_over_text,
                    ..Accept::first_offered(&opening.request)
                };
                let (src, dst) = (&mut up.delivered, &mut down.sent);
                server = opening.responder.respond(&accept, src, dst).unwrap();
            }
            down.carry(chunks.next().unwrap(), 0);
            if client.is_some() && server.is_some() {
                break;
            }
        }
        assert!(up.is_idle() && down.is_idle(), "bytes are left over");
        let Dialled { response, codec } = client.expect("the client's handshake is complete");
        Self {
            request: opening.unwrap().request,
            response,
            server: server.expect("the server's handshake is complete"),
            client: codec,
            request_bytes: up.carried,
            response_bytes: down.carried,
        }
    }

    /// Has the client send a ping: in drafts 01 to 03 its first byte decides the framing.
    pub(crate) fn settled(mut self) -> Self {
        if ["hybi-01", "hybi-02", "hybi-03"].contains(&self.request.protocol.name()) {
            let first = encode(&mut *self.client, &[ping("")]);
            decode(&mut *self.server, [&first[..]]);
        }
        self
    }

    /// Returns the end that sends and the end that receives.
    pub(crate) fn ends(self, sender: Role) -> (Box<dyn Codec>, Box<dyn Codec>) {
        match sender {
            Role::Server => (self.server, self.client),
            Role::Client => (self.client, self.server),
        }
    }
}

/// One direction of a connection in memory.
#[derive(Default)]
struct Link {
    sent: BytesMut,
    delivered: BytesMut,
    carried: Vec<u8>,
}

impl Link {
    fn carry(&mut self, chunk: usize, held: usize) {
        let chunk = self
            .sent
            .split_to(chunk.min(self.sent.len().saturating_sub(held)));
        self.carried.extend_from_slice(&chunk);
        self.delivered.unsplit(chunk);
    }

    fn is_idle(&self) -> bool {
        self.sent.is_empty() && self.delivered.is_empty()
    }
}

/// Opens the handshake of a complete head; `Some(None)` for an ordinary request.
pub(crate) fn open(
    negotiation: &mut Negotiation<'_>,
    src: &mut BytesMut,
    context: &Context,
) -> Result<Option<Option<Opening>>, HandshakeError> {
    Ok(match negotiation.advance(src)? {
        None => None,
        Some(Negotiated::Http(_)) => Some(None),
        Some(Negotiated::WebSocket(recognised)) => Some(Some(recognised.open(context)?)),
    })
}

/// Returns the protocol with this name, which must exist.
pub(crate) fn protocol(name: &str) -> &'static dyn Protocol {
    find_protocol(name).unwrap()
}

/// The result of decoding some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// The events, with adjacent pieces of a message joined.
    pub(crate) events: Vec<Event>,
    /// The error that ended the decoding, if any.
    pub(crate) error: Option<ProtocolError>,
}

/// Decodes bytes that arrive in chunks.
pub(crate) fn decode<'a>(
    codec: &mut dyn Codec,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Decoded {
    let mut src = BytesMut::new();
    let mut events = Vec::new();
    for chunk in chunks {
        src.extend_from_slice(chunk);
        loop {
            match codec.decode(&mut src) {
                Ok(None) => break,
                Ok(Some(event)) => events.push(event),
                Err(error) => {
                    let events = merge(events);
                    return Decoded {
                        events,
                        error: Some(error),
                    };
                }
            }
        }
    }
    Decoded {
        events: merge(events),
        error: None,
    }
}

/// Joins adjacent pieces of a message: the cuts between them depend on the chunks.
pub(crate) fn merge(events: Vec<Event>) -> Vec<Event> {
    let mut merged: Vec<Event> = Vec::new();
    for event in events {
        match (merged.last_mut(), event) {
            (_, Event::Data(next)) if next.payload.is_empty() && !next.end => {}
            (Some(Event::Data(piece)), Event::Data(next)) if !piece.end => {
                assert_eq!(piece.kind, next.kind, "a message changes its kind");
                piece.payload = [&piece.payload[..], &next.payload].concat().into();
                piece.end = next.end;
            }
            (_, event) => merged.push(event),
        }
    }
    merged
}

/// Cuts bytes into chunks of these sizes, used cyclically.
pub(crate) fn cut<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    for size in sizes.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (chunk, rest) = bytes.split_at((*size).clamp(1, bytes.len()));
        chunks.push(chunk);
        bytes = rest;
    }
    chunks
}

/// Takes all bytes out of a buffer.
pub(crate) fn drain(buffer: &mut WriteBuf) -> Vec<u8> {
    buffer.copy_to_bytes(buffer.remaining()).to_vec()
}

/// Borrows a message.
pub(crate) fn borrowed(message: &Message) -> MessageRef<'_> {
    match message {
        Message::Text(text) => MessageRef::Text(text),
        Message::Binary(bytes) => MessageRef::Binary(bytes),
    }
}

/// Returns the bytes that a codec writes for some events.
pub(crate) fn encode(codec: &mut dyn Codec, events: &[Event]) -> Vec<u8> {
    let mut dst = WriteBuf::new();
    for event in events {
        codec.encode(event.clone(), &mut dst).unwrap();
    }
    drain(&mut dst)
}

/// Checks that a receiver decodes these events from these bytes: whole, byte by byte, and twice in
/// a row.
pub(crate) fn assert_decodes(
    what: &str,
    receiver: impl Fn() -> Box<dyn Codec>,
    bytes: &[u8],
    events: &[Event],
    error: Option<ProtocolError>,
) {
    let expected = Decoded {
        events: merge(events.to_vec()),
        error,
    };
    assert_eq!(decode(&mut *receiver(), [bytes]), expected, "{what}, whole");
    assert_eq!(
        decode(&mut *receiver(), bytes.chunks(1)),
        expected,
        "{what}, bytewise"
    );
    let twice = bytes.repeat(2);
    for chunks in [vec![&twice[..]], twice.chunks(1).collect()] {
        let mut decoded = decode(&mut *receiver(), chunks);
        if error.is_none() && !events.iter().any(|event| matches!(event, Event::Close(_))) {
            let again = decoded.events.split_off(expected.events.len());
            assert_eq!(again, expected.events, "{what}, the second time");
        }
        decoded.events.truncate(expected.events.len());
        assert_eq!(
            decoded.events, expected.events,
            "{what}, with more behind it"
        );
        if error.is_some() {
            assert_eq!(decoded.error, error, "{what}, with more behind it");
        }
    }
}
