//! ZMTP 3 (ZeroMQ RFC 23), the part of a bound socket that receives messages.
//!
//! ```text
//!   peer ── greeting ──▶ we      both sent without waiting: version, mechanism NULL
//!   peer ◀─ greeting ─── we
//!   peer ── READY ─────▶ we      the type of its socket
//!   peer ◀─ READY ────── we
//!   peer ◀─ subscription ─ we    from a SUB socket only: subscribes to everything
//!   peer ── frames ────▶ we      messages, PING
//! ```
//!
//! This module does no I/O. No memory is reserved for data that was only announced, and data over
//! the limits is discarded as it arrives.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// The longest message, in bytes: of all its parts together.
pub(super) const MAX_MESSAGE: u64 = 1_000_000;

/// The most parts of a message that are kept.
const MAX_PARTS: usize = 2;

/// The longest command, in bytes: READY has properties, and PING a context.
const MAX_COMMAND: u64 = 4096;

/// The length of a greeting, in bytes.
const GREETING: usize = 64;

/// The message with which a SUB socket subscribes to everything (ZMTP 3.0: a message of the byte 1
/// and the prefix, which is empty).
pub(super) const SUBSCRIPTION: &[u8] = b"\x00\x01\x01";

/// A kind of socket that receives messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pull,
    Sub,
}

/// A violation of the protocol by a peer, or a peer that does not match our socket.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum ZmtpError {
    #[error("the peer does not speak ZMTP")]
    Greeting,
    #[error("the peer speaks ZMTP {0}: version 3 is needed, of ZeroMQ 4.0 or later")]
    Version(u8),
    #[error("the peer's mechanism is {0}: only NULL is supported")]
    Mechanism(String),
    #[error("the peer's socket type {0} does not match a {1} socket")]
    Socket(String, &'static str),
    #[error("the peer has sent no READY")]
    Ready,
    #[error("a frame has the unknown flags {0:#04x}")]
    Flags(u8),
    #[error("a command of {0} bytes is over the limit of {MAX_COMMAND}")]
    Command(u64),
}

impl Kind {
    /// Returns the name on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pull => "PULL",
            Self::Sub => "SUB",
        }
    }

    /// Whether a peer with this kind of socket may connect.
    fn takes(self, peer: &[u8]) -> bool {
        match self {
            Self::Pull => peer == b"PUSH",
            Self::Sub => matches!(peer, b"PUB" | b"XPUB"),
        }
    }
}

/// Builds our greeting: signature, version 3.0, mechanism, and not as a server.
pub(super) fn greeting() -> [u8; GREETING] {
    let mut greeting = [0; GREETING];
    let known = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL";
    for (to, from) in greeting.iter_mut().zip(known) {
        *to = *from;
    }
    greeting
}

/// Builds our READY.
pub(super) fn ready(kind: Kind) -> Bytes {
    let mut body = BytesMut::from(&b"\x05READY\x0bSocket-Type\0\0\0"[..]);
    let name = kind.name().as_bytes();
    body.extend_from_slice(&length(name));
    body.extend_from_slice(name);
    command(&body)
}

/// Builds the answer to a PING with this context.
pub(super) fn pong(context: &[u8]) -> Bytes {
    command(&[b"\x04PONG", context].concat())
}

/// Builds a short command.
fn command(body: &[u8]) -> Bytes {
    [b"\x04", &length(body)[..], body].concat().into()
}

/// Returns a length in one byte.
fn length(of: &[u8]) -> [u8; 1] {
    [u8::try_from(of.len()).expect("what we say is short")]
}

/// Takes the greeting of a peer. `None` until it is complete.
pub(super) fn take_greeting(from: &mut BytesMut) -> Result<Option<()>, ZmtpError> {
    // Checked on the first byte: a peer with another protocol may wait for our next bytes.
    if from.first().is_some_and(|first| *first != 0xff) {
        return Err(ZmtpError::Greeting);
    }
    // The greeting's length depends on the version.
    let Some((signature, [version, ..])) = from.split_at_checked(10) else {
        return Ok(None);
    };
    if signature.last() != Some(&0x7f) {
        return Err(ZmtpError::Greeting);
    }
    if *version < 3 {
        return Err(ZmtpError::Version(*version));
    }
    if from.len() < GREETING {
        return Ok(None);
    }
    let greeting = from.split_to(GREETING);
    let mechanism = greeting.get(12..32).unwrap_or_default();
    let mechanism = trim(mechanism);
    match mechanism {
        b"NULL" => Ok(Some(())),
        other => Err(ZmtpError::Mechanism(shown(other))),
    }
}

/// Takes the READY of a peer. `None` until it is complete.
pub(super) fn take_ready(from: &mut BytesMut, kind: Kind) -> Result<Option<()>, ZmtpError> {
    let Some((header, len)) = Header::read(from)? else {
        return Ok(None);
    };
    if !header.is_command {
        return Err(ZmtpError::Ready);
    }
    let Some(body) = take_command(from, len, header.size)? else {
        return Ok(None);
    };
    let properties = body.strip_prefix(b"\x05READY");
    let mut properties = properties.ok_or(ZmtpError::Ready)?;
    while let Some((name, value)) = property(&mut properties) {
        if name.eq_ignore_ascii_case(b"Socket-Type") {
            return match kind.takes(value) {
                true => Ok(Some(())),
                false => Err(ZmtpError::Socket(shown(value), kind.name())),
            };
        }
    }
    Err(ZmtpError::Ready)
}

/// Takes a property of a READY: its name, a length in four bytes, and its value.
fn property<'a>(from: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (len, rest) = from.split_first()?;
    let (name, rest) = rest.split_at_checked((*len).into())?;
    let (len, rest) = rest.split_first_chunk()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    let (value, rest) = rest.split_at_checked(len)?;
    *from = rest;
    Some((name, value))
}

/// A message, with its parts if they are within the limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// The parts. Empty if there are more than two, or they are too long.
    pub(super) parts: Vec<Bytes>,
    /// The number of parts that were received.
    pub(super) count: usize,
    /// The length of all parts together, in bytes.
    pub(super) len: u64,
}

/// A message or a PING from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Received {
    Message(Message),
    /// A PING, with its context.
    Ping(Bytes),
}

/// A parser for the frames of a peer after its READY.
#[derive(Debug, Default)]
pub(super) struct Frames {
    state: State,
    /// The message as far as it was received.
    message: Message,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Header,
    Command(u64),
    Part(Header),
    /// The size in the header is the number of bytes that are still to be discarded.
    Skip(Header),
}

impl Frames {
    /// Returns the next message or PING. `None` until it is complete.
    pub(super) fn take(&mut self, from: &mut BytesMut) -> Result<Option<Received>, ZmtpError> {
        loop {
            match self.state {
                State::Header => {
                    let Some((header, len)) = Header::read(from)? else {
                        return Ok(None);
                    };
                    from.advance(len);
                    self.state = self.begin(header);
                }
                State::Command(size) => {
                    let Some(body) = take_command(from, 0, size)? else {
                        return Ok(None);
                    };
                    self.state = State::Header;
                    // PING has a time to live of two bytes before its context.
                    let ping = body.strip_prefix(b"\x04PING");
                    if let Some([_, _, context @ ..]) = ping {
                        let context = context.get(..16).unwrap_or(context);
                        return Ok(Some(Received::Ping(Bytes::copy_from_slice(context))));
                    }
                }
                State::Part(header) => {
                    let size = usize::try_from(header.size).unwrap_or(usize::MAX);
                    if from.len() < size {
                        return Ok(None);
                    }
                    self.message.parts.push(from.split_to(size).freeze());
                    if let Some(message) = self.end(header) {
                        return Ok(Some(Received::Message(message)));
                    }
                }
                State::Skip(header) => {
                    let size = usize::try_from(header.size).unwrap_or(usize::MAX);
                    let gone = size.min(from.len());
                    from.advance(gone);
                    let left = header.size - u64::try_from(gone).unwrap_or(header.size);
                    if left > 0 {
                        let size = left;
                        self.state = State::Skip(Header { size, ..header });
                        return Ok(None);
                    }
                    if let Some(message) = self.end(header) {
                        return Ok(Some(Received::Message(message)));
                    }
                }
            }
        }
    }

    /// Begins a frame.
    fn begin(&mut self, header: Header) -> State {
        if header.is_command {
            return State::Command(header.size);
        }
        let message = &mut self.message;
        message.count = message.count.saturating_add(1);
        message.len = message.len.saturating_add(header.size);
        if message.count > MAX_PARTS || message.len > MAX_MESSAGE {
            message.parts.clear();
            return State::Skip(header);
        }
        State::Part(header)
    }

    /// Ends a part, and the message if the part is the last.
    fn end(&mut self, header: Header) -> Option<Message> {
        self.state = State::Header;
        (!header.has_more).then(|| std::mem::take(&mut self.message))
    }
}

/// The header of a frame: flags, and a size in one byte or in eight.
#[derive(Clone, Copy, Debug)]
struct Header {
    has_more: bool,
    is_command: bool,
    size: u64,
}

impl Header {
    /// Reads the header at the front, and returns it with its length. `None` until it is complete.
    fn read(from: &[u8]) -> Result<Option<(Self, usize)>, ZmtpError> {
        let Some((flags, rest)) = from.split_first() else {
            return Ok(None);
        };
        // A command has no further frames.
        if flags & !0x07 != 0 || flags & 0x05 == 0x05 {
            return Err(ZmtpError::Flags(*flags));
        }
        let size = match flags & 0x02 {
            0 => rest.first().map(|size| (u64::from(*size), 2)),
            _ => rest
                .first_chunk()
                .map(|size| (u64::from_be_bytes(*size), 9)),
        };
        Ok(size.map(|(size, len)| {
            let header = Self {
                has_more: flags & 0x01 != 0,
                is_command: flags & 0x04 != 0,
                size,
            };
            (header, len)
        }))
    }
}

/// Takes a command of this size that begins after `behind` bytes. `None` until it is complete.
fn take_command(from: &mut BytesMut, behind: usize, size: u64) -> Result<Option<Bytes>, ZmtpError> {
    if size > MAX_COMMAND {
        return Err(ZmtpError::Command(size));
    }
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if from.len() - behind < size {
        return Ok(None);
    }
    from.advance(behind);
    Ok(Some(from.split_to(size).freeze()))
}

/// Removes the zeros at the end.
fn trim(mechanism: &[u8]) -> &[u8] {
    let end = mechanism.iter().position(|byte| *byte == 0);
    let end = end.unwrap_or(mechanism.len());
    mechanism.get(..end).unwrap_or_default()
}

/// Escapes and shortens a word from a peer for the log.
fn shown(word: &[u8]) -> String {
    let word = word.get(..20).unwrap_or(word);
    word.escape_ascii().to_string()
}

#[allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The greeting of libzmq 4.3.4, and READY of a PUSH socket.
    fn opening() -> Vec<u8> {
        let signature = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL";
        let mut opening = signature.to_vec();
        opening.resize(64, 0);
        opening.extend_from_slice(b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH");
        opening
    }

    fn opened(bytes: &[u8], kind: Kind) -> Result<bool, ZmtpError> {
        let mut from = BytesMut::from(bytes);
        if take_greeting(&mut from)?.is_none() {
            return Ok(false);
        }
        let is_ready = take_ready(&mut from, kind)?.is_some();
        assert!(!is_ready || from.is_empty());
        Ok(is_ready)
    }

    #[test]
    fn the_opening_of_libzmq_is_accepted_when_complete() {
        let opening = opening();
        for end in 0..opening.len() {
            assert_eq!(opened(&opening[..end], Kind::Pull), Ok(false), "{end}");
        }
        assert_eq!(opened(&opening, Kind::Pull), Ok(true));
        assert_eq!(
            ready(Kind::Pull)[..],
            *b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PULL"
        );
        assert_eq!(greeting()[..16], *b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL");
        let publisher = [&opening[..opening.len() - 5], b"\x03PUB"].concat();
        let publisher = [&publisher[..65], b"\x19", &publisher[66..]].concat();
        assert_eq!(opened(&publisher, Kind::Sub), Ok(true));
    }

    #[test]
    fn invalid_peers_are_distinguished_by_their_error() {
        let opening = opening();
        let changed = |at: usize, to: &[u8]| {
            let mut changed = opening.clone();
            changed[at..at + to.len()].copy_from_slice(to);
            changed
        };
        for (bytes, error) in [
            (b"GET / HTTP/1.1\r\n".to_vec(), ZmtpError::Greeting),
            (changed(9, b"\0"), ZmtpError::Greeting),
            (changed(10, b"\x01"), ZmtpError::Version(1)),
            (changed(12, b"CURVE"), ZmtpError::Mechanism("CURVE".into())),
            (changed(64, b"\0"), ZmtpError::Ready),
            (changed(67, b"ERROR"), ZmtpError::Ready),
            (changed(73, b"socket-tape"), ZmtpError::Ready),
        ] {
            assert_eq!(opened(&bytes, Kind::Pull), Err(error));
        }
        let error = ZmtpError::Socket("PUSH".into(), "SUB");
        assert_eq!(opened(&opening, Kind::Sub), Err(error));
        let long = [&opening[..64], b"\x06\0\0\0\0\0\x01\0\0"].concat();
        assert_eq!(opened(&long, Kind::Pull), Err(ZmtpError::Command(65536)));
    }

    /// Parses these bytes in pieces of this size.
    fn taken(bytes: &[u8], piece: usize) -> Result<Vec<Received>, ZmtpError> {
        let (mut frames, mut from) = (Frames::default(), BytesMut::new());
        let mut taken = Vec::new();
        for piece in bytes.chunks(piece) {
            from.extend_from_slice(piece);
            while let Some(received) = frames.take(&mut from)? {
                taken.push(received);
            }
        }
        Ok(taken)
    }

    fn message(parts: &[&'static [u8]]) -> Received {
        let lengths = parts.iter().map(|part| part.len() as u64);
        Received::Message(Message {
            len: lengths.sum(),
            count: parts.len(),
            parts: parts.iter().copied().map(Bytes::from_static).collect(),
        })
    }

    fn passed_over(count: usize, len: u64) -> Received {
        Received::Message(Message {
            parts: Vec::new(),
            count,
            len,
        })
    }

    #[test]
    fn messages_are_read_however_they_are_cut() {
        let ping = b"\x04\x09\x04PING\0\x64hi".to_vec();
        let too_long = [&b"\x02\0\0\0\0\0\x0f\x42\x41"[..], &[b'x'; 1_000_001]].concat();
        let frames = [
            b"\0\x05hello".to_vec(),
            b"\0\0".to_vec(),
            b"\x01\x01a\x02\0\0\0\0\0\0\0\x01b".to_vec(),
            ping,
            b"\x01\x01a\x01\x01b\0\x01c".to_vec(),
            // An unknown command.
            b"\x04\x05\x04NOPE".to_vec(),
            too_long,
            b"\0\x03end".to_vec(),
        ];
        let expected = vec![
            message(&[b"hello"]),
            message(&[b""]),
            message(&[b"a", b"b"]),
            Received::Ping(Bytes::from_static(b"hi")),
            passed_over(3, 3),
            passed_over(1, 1_000_001),
            message(&[b"end"]),
        ];
        for piece in [1, 2, 7, 1000, usize::MAX] {
            assert_eq!(
                taken(&frames.concat(), piece),
                Ok(expected.clone()),
                "{piece}"
            );
        }
        assert_eq!(pong(b"hi"), &b"\x04\x07\x04PONGhi"[..]);
    }

    #[test]
    fn no_memory_is_reserved_for_announced_frames() {
        for size in [u64::MAX, 1 << 39, MAX_MESSAGE + 1] {
            let header = [&b"\x02"[..], &size.to_be_bytes()].concat();
            let mut from = BytesMut::from(&header[..]);
            let capacity = from.capacity();
            assert_eq!(Frames::default().take(&mut from), Ok(None));
            assert!(from.capacity() <= capacity);
        }
        // Endless parts take no room either.
        let parts = b"\x01\0".repeat(100_000);
        let end = b"\0\x01x";
        let taken = taken(&[&parts[..], end].concat(), 1 << 20);
        assert_eq!(taken, Ok(vec![passed_over(100_001, 1)]));
    }

    #[test]
    fn invalid_frames_end_the_connection() {
        for flags in [0x08, 0xff, 0x05, 0x07] {
            let error = ZmtpError::Flags(flags);
            assert_eq!(taken(&[flags, 0], 1), Err(error), "{flags}");
        }
        let command = b"\x06\x7f\xff\xff\xff\xff\xff\xff\xff";
        let error = ZmtpError::Command(0x7fff_ffff_ffff_ffff);
        assert_eq!(taken(command, 1), Err(error));
    }

    proptest! {
        #[test]
        fn frames_are_read_alike_in_any_pieces(bytes in prop::collection::vec(0_u8..9, 0..200), piece in 1_usize..20) {
            prop_assert_eq!(taken(&bytes, piece), taken(&bytes, usize::MAX));
        }

        #[test]
        fn garbage_is_no_valid_opening(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!matches!(opened(&bytes, Kind::Pull), Ok(true)));
        }
    }
}
