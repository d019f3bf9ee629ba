//! The drafts hybi-01 to hybi-03: the opening handshake of hixie-76 with an additional
//! `Sec-WebSocket-Draft`, followed by frames.

use bytes::BytesMut;

use super::either::EitherCodec;
use super::{Dialect, Hybi, HybiCodec};
use crate::base64;
use crate::error::HandshakeError;
use crate::hixie::{Wording, keyed};
use crate::http::Head;
use crate::protocol::{
    Accept, Codec, Context, Dial, DialError, Dialer, Dialled, Opening, Responder, Role,
};

/// Draft 01 §1.6: the request lists subprotocols separated by spaces, and the answer names one.
static WORDING: Wording = Wording {
    separator: ' ',
    repeats_subprotocol: false,
    ..keyed::WORDING
};

/// Opens a handshake as a server.
pub(super) fn open(
    protocol: &'static Hybi,
    head: Head,
    context: &Context,
) -> Result<Opening, HandshakeError> {
    let handshake = keyed::ServerHandshake::open(protocol, &WORDING, head, context)?;
    let request = handshake.request.clone();
    let codec = EitherCodec::new(protocol.0, Role::Server, context);
    let responder = Box::new(ServerHandshake {
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
    Box::new(ClientHandshake {
        handshake: keyed::ClientHandshake::new(dial, &WORDING, Some(draft), context),
        dialect,
        context: *context,
    })
}

#[derive(Debug)]
struct ServerHandshake {
    handshake: keyed::ServerHandshake,
    codec: Option<EitherCodec>,
}

impl Responder for ServerHandshake {
    fn respond(
        &mut self,
        accept: &Accept,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Box<dyn Codec>>, HandshakeError> {
        if !self.handshake.respond(accept, None, src, dst) {
            return Ok(None);
        }
        let codec = self.codec.take();
        Ok(codec.map(|codec| base64::accepted(codec, accept)))
    }
}

#[derive(Debug)]
struct ClientHandshake {
    handshake: keyed::ClientHandshake,
    dialect: &'static Dialect,
    context: Context,
}

impl Dialer for ClientHandshake {
    fn advance(
        &mut self,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Dialled>, DialError> {
        let Some(response) = self.handshake.advance(src, dst)? else {
            return Ok(None);
        };
        let (dialect, role, context) = (self.dialect, Role::Client, &self.context);
        let subprotocol = response.subprotocol.as_deref();
        // Servers may use either framing, as ours does when it sends first.
        let codec = if dialect.is_ambiguous {
            base64::dialled(EitherCodec::new(dialect, role, context), subprotocol)
        } else {
            base64::dialled(HybiCodec::new(dialect, role, context), subprotocol)
        };
        Ok(Some(Dialled { response, codec }))
    }
}
