//! The framing of the HyBi drafts and RFC 6455: one codec, parametrised by a [`Dialect`].

mod compressed;
mod control;
mod dialect;
mod early;
mod either;
mod frame;
mod handshake;
mod mask;
mod short;
mod write;

use std::mem::take;

use bytes::{Buf, BytesMut};

pub(crate) use self::dialect::{
    Announced, CloseBody, Dialect, HYBI01, HYBI02, HYBI03, HYBI04, HYBI05, HYBI06, HYBI07, HYBI10,
    ORIGIN, SINCE_07,
};

use self::dialect::FirstBit;
use self::frame::{Header, MAX_HEADER};
use self::mask::Mask;
use crate::error::{EncodeError, ProtocolError};
use crate::extension::{Agreed, Deflate};
use crate::message::{Event, Kind, Piece, WireForm};
use crate::protocol::short_frames::{MAX_SHORT, ShortFrames, xor};
use crate::protocol::{Capabilities, Codec, Context, Masking, Role};
use crate::write_buf::WriteBuf;

/// A HyBi draft or RFC 6455, as its [`Dialect`] says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hybi(pub(crate) &'static Dialect);

/// The codec for frames.
#[derive(Debug)]
pub(crate) struct HybiCodec {
    dialect: &'static Dialect,
    role: Role,
    /// The part of a frame that the peer masks.
    incoming: Masking,
    /// The part of a frame that we mask.
    outgoing: Masking,
    max_frame: u64,
    max_fragments: u32,
    entropy: fn(&mut [u8]),
    /// The frame whose payload is being read; `None` between frames.
    frame: Option<Frame>,
    /// The message whose frames are being read; `None` between messages.
    receiving: Option<Receiving>,
    /// True if a message is being written: its next piece is a continuation.
    sending: bool,
    /// Compression; `None` if it was not negotiated.
    deflate: Option<Box<Deflate>>,
    rare: Option<Box<RareState>>,
}

/// State that few connections need, or that is needed only for closing.
#[derive(Debug, Default)]
struct RareState {
    /// The connection's masking key in draft 04.
    masking_key: Option<[u8; 20]>,
    /// The part of the peer's close body that is to be echoed.
    echo: Box<[u8]>,
}

/// A message of which some frames have been read.
#[derive(Clone, Copy, Debug)]
struct Receiving {
    kind: Kind,
    frames: u32,
    compressed: bool,
}

/// A frame whose header has been read.
#[derive(Debug)]
struct Frame {
    content: Content,
    left: u64,
    mask: Mask,
}

/// The contents of a frame.
#[derive(Clone, Copy, Debug)]
enum Content {
    /// A message or a fragment of one.
    Data {
        kind: Kind,
        last: bool,
        compressed: bool,
    },
    /// A control frame with this opcode. Its payload is read whole.
    Control(u8),
}

impl HybiCodec {
    pub(crate) fn new(dialect: &'static Dialect, role: Role, context: &Context) -> Self {
        let (incoming, outgoing) = match role {
            Role::Server => (dialect.masking, Masking::None),
            Role::Client => (Masking::None, dialect.masking),
        };
        Self {
            dialect,
            role,
            incoming,
            outgoing,
            max_frame: context.limits.frame,
            max_fragments: context.limits.fragments,
            entropy: context.entropy,
            frame: None,
            receiving: None,
            sending: false,
            deflate: None,
            rare: None,
        }
    }

    pub(crate) fn with_compression(self, agreed: Option<Agreed>) -> Self {
        Self {
            deflate: agreed.map(|agreed| Box::new(Deflate::new(agreed))),
            ..self
        }
    }

    pub(crate) fn with_masking_key(mut self, masking_key: [u8; 20]) -> Self {
        self.rare.get_or_insert_default().masking_key = Some(masking_key);
        self
    }

    /// Records the part of the peer's close body that is to be echoed.
    fn keep_echo(&mut self, body: &[u8]) {
        if !body.is_empty() {
            self.rare.get_or_insert_default().echo = Box::from(body);
        }
    }

    /// Takes the part of the peer's close body that is to be echoed.
    fn take_echo(&mut self) -> Box<[u8]> {
        let rare = self.rare.as_mut();
        rare.map(|rare| take(&mut rare.echo)).unwrap_or_default()
    }

    fn frame_mask(&self, key: [u8; 4]) -> Mask {
        let rare = self.rare.as_ref();
        match rare.and_then(|rare| rare.masking_key.as_ref()) {
            Some(masking_key) => Mask::of_frame(key, masking_key),
            None => Mask::Four(key),
        }
    }

    /// Reads a header and its mask; leaves `src` unchanged while bytes are missing.
    fn begin(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, ProtocolError> {
        let begun = match self.incoming {
            Masking::None => Header::parse(src).map(|(header, len)| (header, len, Mask::None)),
            Masking::Payload => Header::parse(src).and_then(|(header, len)| {
                // Without the bit there is no key: `check` refuses the frame.
                if !header.top_bit {
                    return Some((header, len, Mask::None));
                }
                let key = src.get(len..)?.first_chunk::<4>()?;
                Some((header, len.saturating_add(4), Mask::Four(*key)))
            }),
            Masking::Frame => self.begin_masked(src),
        };
        let Some((header, len, mask)) = begun else {
            return Ok(None);
        };
        let content = self.check(&header)?;
        src.advance(len);
        let left = header.len;
        Ok(Some(Frame {
            content,
            left,
            mask,
        }))
    }

    /// Reads a header that is itself masked, by unmasking a copy.
    fn begin_masked(&self, src: &[u8]) -> Option<(Header, usize, Mask)> {
        let (key, rest) = src.split_first_chunk::<4>()?;
        let mut copy = [0; MAX_HEADER];
        let seen = rest.len().min(MAX_HEADER);
        let copy = copy.get_mut(..seen)?;
        copy.copy_from_slice(rest.get(..seen)?);
        self.frame_mask(*key).apply(copy);
        let (header, len) = Header::parse(copy)?;
        // The payload is masked with the key from the position after the header.
        let mut mask = self.frame_mask(*key);
        mask.apply(copy.get_mut(..len)?);
        Some((header, len.saturating_add(4), mask))
    }

    /// Checks the rules that need only the header (RFC 6455 §5.2 and §5.5).
    fn check(&mut self, header: &Header) -> Result<Content, ProtocolError> {
        if header.reserved != 0 && !self.allows_reserved(header) {
            return Err(ProtocolError::ReservedBit);
        }
        if header.top_bit != (self.incoming == Masking::Payload) {
            return Err(match (self.dialect.masking, self.role) {
                // RFC 6455 §5.1: a server MUST close the connection on an unmasked frame, a client
                // on a masked one.
                (Masking::Payload, Role::Server) => ProtocolError::Unmasked,
                (Masking::Payload, Role::Client) => ProtocolError::Masked,
                // The fourth reserved bit of the drafts before 07.
                _ => ProtocolError::ReservedBit,
            });
        }
        // RFC 6455 §5.2: the most significant bit MUST be 0. The shortest form is not required:
        // Firefox 6 sends 65535 bytes with a length of 64 bits.
        if header.len >> 63 != 0 {
            return Err(ProtocolError::Length);
        }
        let opcodes = self.dialect.opcodes;
        let last = (self.dialect.first_bit == FirstBit::Fin) == header.first_bit;
        let opened = match header.opcode {
            0 => None,
            opcode if opcode == opcodes.text => Some(Kind::Text),
            opcode if opcode == opcodes.binary => Some(Kind::Binary),
            opcode => return self.check_control(opcode, header.len, last),
        };
        if header.len > self.max_frame {
            let (len, limit) = (header.len, self.max_frame);
            return Err(ProtocolError::FrameTooLong { len, limit });
        }
        // RFC 6455 §5.4, fragmentation.
        let (kind, frames, before) = match (opened, self.receiving) {
            (Some(kind), None) => (kind, 1, false),
            (None, Some(message)) => {
                let frames = message.frames.saturating_add(1);
                (message.kind, frames, message.compressed)
            }
            (None, None) => return Err(ProtocolError::Continuation),
            (Some(_), Some(_)) => return Err(ProtocolError::Interrupted),
        };
        let limit = self.max_fragments;
        if frames > limit {
            return Err(ProtocolError::TooManyFragments { limit });
        }
        let compressed = self.is_compressed(header, before);
        self.receiving = (!last).then_some(Receiving {
            kind,
            frames,
            compressed,
        });
        Ok(Content::Data {
            kind,
            last,
            compressed,
        })
    }
}

impl Codec for HybiCodec {
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        let short = self
            .short_incoming()
            .and_then(|frames| frames.find(src, MAX_SHORT));
        if let Some(short) = short {
            src.advance(short.head.into());
            let mut payload = src.split_to(short.payload.into());
            xor(&mut payload, short.key);
            return Ok(Some(Event::Data(Piece {
                kind: short.kind,
                payload: payload.freeze(),
                end: true,
            })));
        }
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.begin(src)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            if let Content::Data {
                compressed: true, ..
            } = frame.content
            {
                match self.inflate(frame, src)? {
                    Some(piece) => return Ok(Some(Event::Data(piece))),
                    None if src.is_empty() => return Ok(None),
                    None => continue,
                }
            }
            let there = usize::try_from(frame.left).map_or(src.len(), |left| left.min(src.len()));
            let missing = frame.left.saturating_sub(there as u64);
            let waits = match frame.content {
                // An empty fragment that does not end a message is skipped.
                Content::Data { last: false, .. } if frame.left == 0 => continue,
                Content::Data { .. } => there == 0 && missing > 0,
                Content::Control(_) => missing > 0,
            };
            if waits {
                self.frame = Some(frame);
                return Ok(None);
            }
            let mut payload = src.split_to(there);
            frame.mask.apply(&mut payload);
            let payload = payload.freeze();
            return match frame.content {
                Content::Control(opcode) => self.control(opcode, payload).map(Some),
                Content::Data { kind, last, .. } => {
                    let end = last && missing == 0;
                    if missing > 0 {
                        frame.left = missing;
                        self.frame = Some(frame);
                    }
                    Ok(Some(Event::Data(Piece { kind, payload, end })))
                }
            };
        }
    }

    fn encode(&mut self, event: Event, dst: &mut WriteBuf) -> Result<(), EncodeError> {
        self.write_event(event, dst)
    }

    fn reads(&self) -> Option<ShortFrames> {
        self.short_incoming()
    }

    fn writes(&self) -> Option<ShortFrames> {
        self.short_outgoing()
    }

    fn announced(&self) -> Option<u64> {
        Some(match &self.frame {
            Some(Frame {
                content: Content::Data { compressed, .. },
                left,
                ..
            }) => {
                // Data compressed with the fixed codes of RFC 1951 §3.2.6 may be longer than the
                // original by an eighth.
                let longer = if *compressed { left.div_ceil(8) } else { 0 };
                left.saturating_sub(longer)
            }
            _ => 0,
        })
    }

    fn held(&self) -> Option<usize> {
        self.deflate.as_ref().map(|deflate| deflate.held())
    }

    fn extension(&self) -> Option<&'static str> {
        self.deflate.as_ref().map(|deflate| deflate.name())
    }

    fn masking_key(&mut self) -> [u8; 4] {
        self.fresh_key()
    }

    fn capabilities(&self) -> Capabilities {
        self.dialect.capabilities()
    }

    fn wire_form(&self, _: Kind) -> Option<WireForm> {
        let plain = (self.outgoing == Masking::None).then_some(self.dialect.wire_form)?;
        match &self.deflate {
            None => Some(plain),
            Some(deflate) => deflate.wire_form(plain),
        }
    }
}
