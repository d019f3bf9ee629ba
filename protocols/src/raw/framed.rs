//! Message framings for byte streams, as programs use them on a pipe.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use super::RawCodec;
use crate::error::{EncodeError, ProtocolError};
use crate::message::{Event, Kind, Piece, WireForm};
use crate::protocol::{Capabilities, CloseForm, Codec};
use crate::write_buf::WriteBuf;

/// The framing of messages in a byte stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Framing {
    /// A message is a line, ended by a line feed. A carriage return before it is removed on
    /// reading. A message that contains line feeds is written unchanged: the reader sees several
    /// lines.
    #[default]
    Line,
    /// A message ends with a NUL. A message that contains NULs is written unchanged.
    Nul,
    /// A message of any bytes follows its length, which is four bytes in big-endian order.
    Length,
    /// There are no messages: received bytes are a binary message, whatever the kind.
    Stream,
}

impl Framing {
    /// Returns a codec for [`Session::new`](crate::Session::new). Received messages are of this
    /// kind, sent ones may be of either. Bytes of a text that are not UTF-8 are replaced by U+FFFD.
    /// `max` is the longest message, in bytes, that is sent with its length in front.
    pub fn codec(self, kind: Kind, max: u64) -> Box<dyn Codec> {
        match self {
            Self::Stream => RawCodec::boxed(),
            framing => Box::new(FramedCodec {
                framing,
                kind,
                max: max.min(u32::MAX.into()),
                scanned: 0,
                left: None,
                unfinished: Vec::new(),
            }),
        }
    }

    /// Returns the byte that ends a message; `None` if there is none.
    pub fn delimiter(self) -> Option<u8> {
        match self {
            Self::Line => Some(b'\n'),
            Self::Nul => Some(0),
            Self::Length | Self::Stream => None,
        }
    }
}

/// The size up to which messages are returned whole, in bytes; longer ones are returned in pieces.
const WHOLE: usize = 16 * 1024;

/// The codec of a byte stream with messages. There are no pings and no closing handshake.
#[derive(Debug)]
struct FramedCodec {
    framing: Framing,
    kind: Kind,
    /// The longest message that may be sent with its length in front, in bytes.
    max: u64,
    /// The number of bytes of the input that are known to contain no delimiter.
    scanned: usize,
    /// The bytes left of the message being received, if its length was in front; `None` between
    /// messages.
    left: Option<usize>,
    /// The bytes to be sent of a message whose length is not yet known.
    unfinished: Vec<u8>,
}

impl Codec for FramedCodec {
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        let piece = match self.framing.delimiter() {
            Some(delimiter) => self.delimited(delimiter, src),
            None => self.counted(src),
        };
        Ok(piece.map(Event::Data))
    }

    fn encode(&mut self, event: Event, dst: &mut WriteBuf) -> Result<(), EncodeError> {
        match event {
            Event::Data(piece) => match self.framing.delimiter() {
                Some(delimiter) => {
                    dst.put(piece.payload);
                    if piece.end {
                        dst.put_u8(delimiter);
                    }
                    Ok(())
                }
                None => self.count(piece, dst),
            },
            // The end of the stream is the only form of close.
            Event::Close(_) => Ok(()),
            Event::Ping(_) | Event::Pong(_) => Err(EncodeError::Unsupported {
                event: "ping or pong",
                protocol: self.name(),
            }),
        }
    }

    fn announced(&self) -> Option<u64> {
        self.left.map(|left| left as u64)
    }

    fn held(&self) -> Option<usize> {
        (self.framing == Framing::Length).then(|| self.unfinished.capacity())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            binary: true,
            ping: false,
            close: CloseForm::Eof,
        }
    }

    fn wire_form(&self, _: Kind) -> Option<WireForm> {
        Some(WireForm::new(self.name()))
    }
}

impl FramedCodec {
    fn name(&self) -> &'static str {
        match self.framing {
            Framing::Line => "lines",
            Framing::Nul => "NULs",
            Framing::Length => "lengths",
            Framing::Stream => "raw",
        }
    }

    /// Returns the next piece in a framing with delimiters.
    fn delimited(&mut self, delimiter: u8, src: &mut BytesMut) -> Option<Piece> {
        let unscanned = src.get(self.scanned..).unwrap_or_default();
        let found = memchr(delimiter, unscanned);
        self.scanned = self
            .scanned
            .saturating_add(found.unwrap_or(unscanned.len()));
        if found.is_some() {
            let mut payload = src.split_to(self.scanned);
            src.advance(1);
            self.scanned = 0;
            if self.framing == Framing::Line && payload.last() == Some(&b'\r') {
                payload.truncate(payload.len().saturating_sub(1));
            }
            return Some(self.piece(payload, true));
        }
        if src.len() < WHOLE {
            return None;
        }
        let held_back = match src.last() {
            // It may belong to the end of the line.
            Some(b'\r') if self.framing == Framing::Line => 1,
            _ => self.cut_off(src),
        };
        let payload = src.split_to(src.len().saturating_sub(held_back));
        self.scanned = held_back;
        Some(self.piece(payload, false))
    }

    /// Returns the next piece in a framing with lengths.
    fn counted(&mut self, src: &mut BytesMut) -> Option<Piece> {
        let left = match self.left {
            Some(left) => left,
            None => {
                let length = u32::from_be_bytes(*src.first_chunk()?);
                src.advance(4);
                *self.left.insert(usize::try_from(length).ok()?)
            }
        };
        if src.len() < left.min(WHOLE) {
            return None;
        }
        if src.len() >= left {
            self.left = None;
            let payload = src.split_to(left);
            return Some(self.piece(payload, true));
        }
        let taken = src.len().saturating_sub(self.cut_off(src));
        self.left = Some(left.saturating_sub(taken));
        let payload = src.split_to(taken);
        Some(self.piece(payload, false))
    }

    /// Makes a piece of the received kind.
    fn piece(&self, payload: BytesMut, end: bool) -> Piece {
        let payload = match self.kind {
            Kind::Text if simdutf8::basic::from_utf8(&payload).is_err() => {
                Bytes::from(String::from_utf8_lossy(&payload).into_owned())
            }
            Kind::Text | Kind::Binary => payload.freeze(),
        };
        Piece {
            kind: self.kind,
            payload,
            end,
        }
    }

    /// Returns how many bytes at the end may be an incomplete character.
    fn cut_off(&self, bytes: &[u8]) -> usize {
        if self.kind == Kind::Binary {
            return 0;
        }
        for (byte, there) in bytes.iter().rev().zip(1..4) {
            let needed = match byte {
                // RFC 3629 §3
                0x80..=0xbf => continue,
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0.. => 4,
                ..=0x7f => 1,
            };
            return if needed > there { there } else { 0 };
        }
        0
    }

    /// Writes a message with its length, once it is complete.
    fn count(&mut self, piece: Piece, dst: &mut WriteBuf) -> Result<(), EncodeError> {
        let len = self.unfinished.len().saturating_add(piece.payload.len());
        let limit = self.max;
        let length = u32::try_from(len).ok();
        let length = length.filter(|length| u64::from(*length) <= limit);
        let length = length.ok_or(EncodeError::TooLong { limit })?;
        if !piece.end {
            self.unfinished.extend_from_slice(&piece.payload);
            return Ok(());
        }
        dst.put_slice(&length.to_be_bytes());
        dst.put(std::mem::take(&mut self.unfinished).into());
        dst.put(piece.payload);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the whole messages that a codec decodes from chunks of this size, and the unfinished
    /// rest.
    fn messages(framing: Framing, kind: Kind, bytes: &[u8], chunk: usize) -> Vec<(Vec<u8>, bool)> {
        let mut codec = framing.codec(kind, u64::MAX);
        let (mut src, mut messages) = (BytesMut::new(), vec![]);
        let mut message = Vec::new();
        for chunk in bytes.chunks(chunk) {
            src.extend_from_slice(chunk);
            while let Some(event) = codec.decode(&mut src).unwrap() {
                let Event::Data(piece) = event else {
                    panic!("{event:?}");
                };
                assert_eq!(piece.kind, kind);
                message.extend_from_slice(&piece.payload);
                if piece.end {
                    messages.push((std::mem::take(&mut message), true));
                }
            }
        }
        if !message.is_empty() {
            messages.push((message, false));
        }
        messages
    }

    #[track_caller]
    fn check(framing: Framing, kind: Kind, bytes: &[u8], expected: &[&[u8]]) {
        for chunk in [1, 2, 3, bytes.len()] {
            let messages = messages(framing, kind, bytes, chunk);
            let messages: Vec<&[u8]> = messages.iter().map(|(message, _)| &**message).collect();
            assert_eq!(
                messages, expected,
                "{framing:?}, {kind:?}, chunks of {chunk}"
            );
        }
    }

    #[test]
    fn messages_are_found_however_they_are_cut() {
        use Framing::{Length, Line, Nul};
        use Kind::{Binary, Text};
        for (framing, kind, bytes, expected) in [
            (
                Line,
                Text,
                &b"a\n\nbc\r\nd"[..],
                &[&b"a"[..], b"", b"bc"][..],
            ),
            (Line, Text, b"\r\n\r\r\na\rb\n", &[b"", b"\r", b"a\rb"]),
            (Line, Binary, b"\xff\0\nb\n", &[b"\xff\0", b"b"]),
            (Line, Text, b"\xff\0\n", &["\u{fffd}\0".as_bytes()]),
            (Line, Text, "grüße\n".as_bytes(), &["grüße".as_bytes()]),
            (Nul, Text, b"a\nb\r\0\0c", &[b"a\nb\r", b""]),
            (Nul, Binary, b"\xfe\0", &[b"\xfe"]),
            (
                Length,
                Text,
                b"\0\0\0\x02a\n\0\0\0\0\0\0\0\x01",
                &[b"a\n", b""],
            ),
            (Length, Binary, b"\0\0\0\x03\0\xff\0", &[b"\0\xff\0"]),
        ] {
            check(framing, kind, bytes, expected);
        }
    }

    #[test]
    fn long_messages_are_split_outside_of_characters_and_line_ends() {
        let long = "ü€😀\r".repeat(10_000);
        for bytes in [1, 7, 1000, WHOLE, WHOLE + 1, 100_000] {
            let line = format!("{long}\r\nb\n");
            let expected = [(long.clone().into_bytes(), true), (b"b".to_vec(), true)];
            let found = messages(Framing::Line, Kind::Text, line.as_bytes(), bytes);
            assert!(found == expected, "lines in chunks of {bytes}");

            let length = u32::try_from(long.len()).unwrap().to_be_bytes();
            let counted = [&length[..], long.as_bytes()].concat();
            let found = messages(Framing::Length, Kind::Text, &counted, bytes);
            assert!(found == expected[..1], "lengths in chunks of {bytes}");
        }
    }

    #[test]
    fn a_message_is_written_when_its_length_is_known() {
        for (framing, expected) in [
            (Framing::Line, &b"ab\nc\n\n"[..]),
            (Framing::Nul, b"ab\0c\0\0"),
            (Framing::Length, b"\0\0\0\x02ab\0\0\0\x01c\0\0\0\0"),
            (Framing::Stream, b"abc"),
        ] {
            let mut codec = framing.codec(Kind::Text, u64::MAX);
            let mut dst = WriteBuf::new();
            for (payload, end) in [("a", false), ("b", true), ("c", true), ("", true)] {
                let piece = Piece {
                    kind: Kind::Binary,
                    payload: payload.into(),
                    end,
                };
                codec.encode(Event::Data(piece), &mut dst).unwrap();
            }
            codec.encode(Event::Close(None), &mut dst).unwrap();
            let len = dst.len();
            assert_eq!(dst.copy_to_bytes(len), expected, "{framing:?}");
        }
    }

    #[test]
    fn a_message_longer_than_the_length_field_allows_is_not_sent() {
        let mut codec = Framing::Length.codec(Kind::Text, 3);
        let mut dst = WriteBuf::new();
        let piece = |end| {
            Event::Data(Piece {
                kind: Kind::Text,
                payload: Bytes::from_static(b"ab"),
                end,
            })
        };
        assert_eq!(codec.encode(piece(false), &mut dst), Ok(()));
        let refused = codec.encode(piece(true), &mut dst);
        assert_eq!(refused, Err(EncodeError::TooLong { limit: 3 }));
        assert!(dst.is_empty());
    }

    #[test]
    fn an_announced_length_is_known_before_the_payload_arrives() {
        let mut codec = Framing::Length.codec(Kind::Text, u64::MAX);
        let mut src = BytesMut::from(&b"\xff\xff\xff\xffab"[..]);
        assert_eq!(codec.decode(&mut src), Ok(None));
        assert_eq!(codec.announced(), Some(0xffff_ffff));
    }

    proptest! {
        #[test]
        fn any_chunking_yields_the_same_messages(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            repeat in 1_usize..2000,
            chunk in 1_usize..40_000,
        ) {
            let bytes = bytes.repeat(repeat);
            for framing in [Framing::Line, Framing::Nul, Framing::Length] {
                let complete = |chunk| {
                    let mut messages = messages(framing, Kind::Text, &bytes, chunk);
                    messages.retain(|(_, is_complete)| *is_complete);
                    messages
                };
                prop_assert!(complete(chunk) == complete(bytes.len().max(1)));
            }
        }
    }
}
