//! The drafts hybi-01 to hybi-03: the opening handshake of Hixie-76 with `Sec-WebSocket-Draft`
//! beside its keys, and frames after it.

use bytes::BytesMut;

use super::{Announced, Dialect, HybiCodec};
use crate::base64;
use crate::error::{EncodeError, HandshakeError, ProtocolError};
use crate::hixie::{Flavour, HixieCodec, KeyCall, KeyHandshake};
use crate::http::Head;
use crate::message::Event;
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
    let codec = EitherCodec::new(dialect, context);
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
        let codec = HybiCodec::new(self.dialect, Role::Client, &self.context);
        let codec = base64::dialled(codec, response.subprotocol.as_deref());
        Ok(Some(Dialled { response, codec }))
    }
}

/// A server's codec that finds out which framing its client speaks.
///
/// The value of `Sec-WebSocket-Draft` is not to be trusted: drafts 02 and 03 both had 2, and
/// gevent-websocket 0.3 sends 2 and goes on with `00 … FF`. The first byte of the client tells:
/// `00` and `FF` begin nothing in the one framing, and `01` to `05` nothing that is sent in the
/// other.
#[derive(Debug)]
struct EitherCodec {
    hybi: HybiCodec,
    hixie: HixieCodec,
    /// The framing, once it is known.
    framing: Option<Framing>,
    /// The framing where we speak first: both clients that are known to send 2 want the old one.
    default: Framing,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Hybi,
    Hixie,
}

impl EitherCodec {
    fn new(dialect: &'static Dialect, context: &Context) -> Self {
        let flavour = Flavour {
            name: dialect.name,
            close: CloseForm::Bare,
            length_frames: false,
        };
        let is_two = dialect.announced == Announced::Draft("2");
        Self {
            hybi: HybiCodec::new(dialect, Role::Server, context),
            hixie: HixieCodec::new(flavour, context.limits),
            framing: None,
            default: if is_two {
                Framing::Hixie
            } else {
                Framing::Hybi
            },
        }
    }

    fn codec(&mut self, framing: Framing) -> &mut dyn Codec {
        match self.framing.get_or_insert(framing) {
            Framing::Hybi => &mut self.hybi,
            Framing::Hixie => &mut self.hixie,
        }
    }
}

impl Codec for EitherCodec {
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        let framing = match src.first() {
            None => return Ok(None),
            Some(0x00 | 0xff) => Framing::Hixie,
            Some(_) => Framing::Hybi,
        };
        self.codec(framing).decode(src)
    }

    fn encode(&mut self, event: Event, dst: &mut WriteBuf) -> Result<(), EncodeError> {
        self.codec(self.default).encode(event, dst)
    }

    fn capabilities(&self) -> Capabilities {
        match self.framing.unwrap_or(self.default) {
            Framing::Hybi => self.hybi.capabilities(),
            Framing::Hixie => self.hixie.capabilities(),
        }
    }
}
