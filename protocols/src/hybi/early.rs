//! The drafts hybi-01 to hybi-03: the opening handshake of Hixie-76 with `Sec-WebSocket-Draft`
//! beside its keys, and frames after it.

use bytes::BytesMut;

use super::{Announced, Dialect, HybiCodec};
use crate::base64;
use crate::error::{EncodeError, HandshakeError, ProtocolError};
use crate::hixie::{Flavour, HixieCodec, KeyCall, KeyHandshake};
use crate::http::Head;
use crate::message::{Event, Kind, WireForm};
use crate::protocol::{
    Accept, Capabilities, CloseForm, Codec, Context, Dial, Dialer, Dialled, Opening, Responder,
    Role,
};
use crate::write_buf::WriteBuf;

/// Opens a handshake as a server.
pub(super) fn open(
    dialect: &'static Dialect,
    head: Head,
    context: &Context,
) -> Result<Opening, HandshakeError> {
    // Draft 01 §1.6: the subprotocols are a list that spaces separate.
    let handshake = KeyHandshake::open(dialect.name, &[' '], head, context)?;
    let request = handshake.request.clone();
    let codec = EitherCodec::new(dialect, Role::Server, context);
    let responder = Box::new(Answer {
        handshake,
        codec: Some(codec),
    });
    Ok(Opening { request, responder })
}

/// Begins a handshake as a client.
pub(super) fn dial(
    dialect: &'static Dialect,
    draft: &'static str,
    dial: &Dial,
    context: &Context,
) -> Box<dyn Dialer> {
    let offered = (!dial.subprotocols.is_empty()).then(|| dial.subprotocols.join(" "));
    Box::new(Call {
        call: KeyCall::new(dial, offered, Some(draft), context),
        dialect,
        context: *context,
    })
}

#[derive(Debug)]
struct Answer {
    handshake: KeyHandshake,
    codec: Option<EitherCodec>,
}

impl Responder for Answer {
    fn respond(
        &mut self,
        accept: &Accept,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Box<dyn Codec>>, HandshakeError> {
        if !self.handshake.respond(accept, &[], src, dst) {
            return Ok(None);
        }
        let codec = self.codec.take();
        Ok(codec.map(|codec| base64::accepted(codec, accept)))
    }
}

#[derive(Debug)]
struct Call {
    call: KeyCall,
    dialect: &'static Dialect,
    context: Context,
}

impl Dialer for Call {
    fn advance(
        &mut self,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Dialled>, HandshakeError> {
        let Some(response) = self.call.advance(src, dst)? else {
            return Ok(None);
        };
        let (dialect, role, context) = (self.dialect, Role::Client, &self.context);
        let subprotocol = response.subprotocol.as_deref();
        // Servers answer a 2 in either framing, ours too where they speak first.
        let codec = if is_two(dialect) {
            base64::dialled(EitherCodec::new(dialect, role, context), subprotocol)
        } else {
            base64::dialled(HybiCodec::new(dialect, role, context), subprotocol)
        };
        Ok(Some(Dialled { response, codec }))
    }
}

/// Whether the draft is announced by the value that says least.
fn is_two(dialect: &Dialect) -> bool {
    dialect.announced == Announced::Draft("2")
}

/// A codec that finds out which framing its peer speaks.
///
/// The value of `Sec-WebSocket-Draft` is not to be trusted: drafts 02 and 03 both had 2, and
/// gevent-websocket 0.3 sends 2 and goes on with `00 … FF`. The first byte of the peer tells:
/// `00` and `FF` begin nothing in the one framing, and `01` to `05` nothing that is sent in the
/// other. Where we have spoken before it came, the two directions may differ.
#[derive(Debug)]
struct EitherCodec {
    hybi: HybiCodec,
    hixie: HixieCodec,
    /// The peer's framing, once it is known.
    incoming: Option<Framing>,
    /// Our framing, once we have spoken or know the peer's.
    outgoing: Option<Framing>,
    /// Our framing where we speak first: both clients that are known to send 2 want the old one.
    default: Framing,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Hybi,
    Hixie,
}

impl EitherCodec {
    fn new(dialect: &'static Dialect, role: Role, context: &Context) -> Self {
        let flavour = Flavour {
            name: dialect.name,
            close: CloseForm::Bare,
            length_frames: false,
        };
        Self {
            hybi: HybiCodec::new(dialect, role, context),
            hixie: HixieCodec::new(flavour, context.limits),
            incoming: None,
            outgoing: None,
            default: if is_two(dialect) && role == Role::Server {
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

    /// None before the framing is settled, which the first message does.
    fn wire_form(&self, kind: Kind) -> Option<WireForm> {
        match self.outgoing? {
            Framing::Hybi => self.hybi.wire_form(kind),
            Framing::Hixie => self.hixie.wire_form(kind),
        }
    }
}
