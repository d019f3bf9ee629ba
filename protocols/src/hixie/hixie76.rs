//! hixie-76 (draft-hixie-thewebsocketprotocol-76, also draft-ietf-hybi-00): Chrome 6 to 13, Safari
//! 5.0.1 to 5.1, iOS 4.2 to 5, Opera 11, PhantomJS 1.
//!
//! The request carries two keys and, after its blank line, eight bytes. The answer ends with
//! sixteen: `MD5(number of key 1 ‖ number of key 2 ‖ the eight bytes)`.

use bytes::BytesMut;

use super::handshake::check_offered;
use super::{HixieCodec, HixieDialect, keyed};
use crate::base64;
use crate::error::HandshakeError;
use crate::http::Head;
use crate::protocol::{
    Accept, Capabilities, Challenge, CloseForm, Codec, Context, Dial, DialError, Dialer, Dialled,
    Limits, Masking, Match, Opening, Protocol, Request, Responder,
};

/// The protocol of draft 76.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hixie76;

const DIALECT: HixieDialect = HixieDialect {
    name: "hixie-76",
    close: CloseForm::Bare,
    length_frames: false,
};

impl Protocol for Hixie76 {
    fn name(&self) -> &'static str {
        DIALECT.name
    }

    fn version(&self) -> Option<u8> {
        None
    }

    fn spoken_by(&self) -> &'static str {
        "Chrome 6-13, Safari 5.0.1-5.1, iOS 4.2-5, Firefox 4-5, Opera 11-12.0, PhantomJS 1"
    }

    fn capabilities(&self) -> Capabilities {
        HixieCodec::new(DIALECT, Limits::default()).capabilities()
    }

    fn masking(&self) -> Masking {
        Masking::None
    }

    fn challenge(&self) -> Challenge {
        keyed::CHALLENGE
    }

    fn lists_subprotocols(&self) -> bool {
        false
    }

    fn recognise(&self, head: &Head) -> Match {
        match (keyed::lacks(head), head.value("sec-websocket-draft")) {
            (Some(why), _) => Match::No(why),
            (None, None | Some(b"0")) => Match::Yes,
            // gevent-websocket 0.3 and a MtGox client send 2 and go on with `00 … FF`.
            (None, Some(b"2")) => Match::Fallback,
            (None, Some(_)) => Match::No("its Sec-WebSocket-Draft is of a later draft"),
        }
    }

    fn open(&'static self, head: Head, context: &Context) -> Result<Opening, HandshakeError> {
        let handshake = keyed::ServerHandshake::open(self, &keyed::WORDING, head, context)?;
        let dialect = HixieDialect {
            length_frames: wants_length_frames(&handshake.request),
            ..DIALECT
        };
        let request = handshake.request.clone();
        let responder = Box::new(ServerHandshake {
            handshake,
            dialect,
            limits: context.limits,
        });
        Ok(Opening { request, responder })
    }

    fn dial(&self, dial: &Dial, context: &Context) -> Result<Box<dyn Dialer>, DialError> {
        check_offered(&dial.subprotocols)?;
        let handshake = keyed::ClientHandshake::new(dial, &keyed::WORDING, None, context);
        Ok(Box::new(ClientHandshake {
            handshake,
            limits: context.limits,
        }))
    }
}

/// True if the client, as Kaazing's native ones do, requests binary messages in `80` frames.
/// Browsers could not read those.
fn wants_length_frames(request: &Request) -> bool {
    let query = request
        .target
        .split_once('?')
        .map_or("", |(_, query)| query);
    request.head.value("x-accept-frametype") == Some(b"binary")
        || query.split('&').any(|pair| pair == "encoding=binary")
}

#[derive(Debug)]
struct ServerHandshake {
    handshake: keyed::ServerHandshake,
    dialect: HixieDialect,
    limits: Limits,
}

impl Responder for ServerHandshake {
    fn respond(
        &mut self,
        accept: &Accept,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Box<dyn Codec>>, HandshakeError> {
        let kaazing = ("X-Frame-Type", "binary");
        let more = self.dialect.length_frames.then_some(kaazing);
        let complete = self.handshake.respond(accept, more, src, dst);
        let codec = || base64::accepted(HixieCodec::new(self.dialect, self.limits), accept);
        Ok(complete.then(codec))
    }
}

#[derive(Debug)]
struct ClientHandshake {
    handshake: keyed::ClientHandshake,
    limits: Limits,
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
        let codec = HixieCodec::new(DIALECT, self.limits);
        let codec = base64::dialled(codec, response.subprotocol.as_deref());
        Ok(Some(Dialled { response, codec }))
    }
}
