//! A codec for the handshake after which clients use one of two framings.

use bytes::BytesMut;

use super::{Dialect, HybiCodec};
use crate::error::{EncodeError, ProtocolError};
use crate::hixie::{HixieCodec, HixieDialect};
use crate::message::{Event, Kind, WireForm};
use crate::protocol::{Capabilities, CloseForm, Codec, Context, Role};
use crate::write_buf::WriteBuf;

/// A codec that detects the framing of its peer.
///
/// The value of `Sec-WebSocket-Draft` is unreliable: drafts 02 and 03 both used 2, and
/// gevent-websocket 0.3 sends 2 and goes on with `00 … FF`. The first byte from the peer decides:
/// no HyBi frame begins with `00` or `FF`, and no hixie frame that is sent begins with `01` to
/// `05`. If we have sent before it arrives, the two directions may differ.
#[derive(Debug)]
pub(super) struct EitherCodec {
    hybi: HybiCodec,
    hixie: HixieCodec,
    /// The peer's framing; `None` until it is known.
    incoming: Option<Framing>,
    /// Our framing; `None` until we have sent or know the peer's.
    outgoing: Option<Framing>,
    /// Our framing if we send first: both clients known to send 2 expect that of hixie-76.
    default: Framing,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Hybi,
    Hixie,
}

impl EitherCodec {
    pub(super) fn new(dialect: &'static Dialect, role: Role, context: &Context) -> Self {
        let hixie = HixieDialect {
            name: dialect.name,
            close: CloseForm::Bare,
            length_frames: false,
        };
        Self {
            hybi: HybiCodec::new(dialect, role, context),
            hixie: HixieCodec::new(hixie, context.limits),
            incoming: None,
            outgoing: None,
            default: if dialect.is_ambiguous && role == Role::Server {
                Framing::Hixie
            } else {
                Framing::Hybi
            },
        }
    }

    fn codec(&mut self, framing: Framing) -> &mut dyn Codec {
        match framing {
            Framing::Hybi => &mut self.hybi,
            Framing::Hixie => &mut self.hixie,
        }
    }
}

impl Codec for EitherCodec {
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        let framing = match (self.incoming, src.first()) {
            (Some(framing), _) => framing,
            (None, None) => return Ok(None),
            (None, Some(0x00 | 0xff)) => Framing::Hixie,
            (None, Some(_)) => Framing::Hybi,
        };
        self.incoming = Some(framing);
        self.outgoing.get_or_insert(framing);
        self.codec(framing).decode(src)
    }

    fn encode(&mut self, event: Event, dst: &mut WriteBuf) -> Result<(), EncodeError> {
        let framing = *self.outgoing.get_or_insert(self.default);
        self.codec(framing).encode(event, dst)
    }

    fn capabilities(&self) -> Capabilities {
        match self.outgoing.unwrap_or(self.default) {
            Framing::Hybi => self.hybi.capabilities(),
            Framing::Hixie => self.hixie.capabilities(),
        }
    }

    /// `None` until the framing is decided, which the first message does.
    fn wire_form(&self, kind: Kind) -> Option<WireForm> {
        match self.outgoing? {
            Framing::Hybi => self.hybi.wire_form(kind),
            Framing::Hixie => self.hixie.wire_form(kind),
        }
    }
}
