//! Hixie-75 (draft-hixie-thewebsocketprotocol-75): Chrome 4 and 5, Safari 5.0.0.
//!
//! There is no challenge: whatever can put these lines into a server's input is a client.

use bytes::BytesMut;

use super::handshake::{
    check_answer, dialled_origin, dialled_subprotocol, echoed, location, request,
};
use super::{Flavour, HixieCodec};
use crate::base64;
use crate::error::HandshakeError;
use crate::http::{Head, HeadScanner, HeadWriter};
use crate::protocol::{
    Accept, Capabilities, CloseForm, Codec, Context, Dial, Dialer, Dialled, Limits, Match, Opening,
    Protocol, Request, Responder,
};

/// The protocol of draft 75.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hixie75;

const FLAVOUR: Flavour = Flavour {
    name: "hixie-75",
    close: CloseForm::Eof,
    length_frames: false,
};

// Draft 75, "Reading the server's opening handshake": the first three lines are compared
// literally, so "Web Socket" is two words here.
const STATUS_LINE: &str = "HTTP/1.1 101 Web Socket Protocol Handshake";

/// Where a client says its subprotocol.
const SUBPROTOCOL: &[&str] = &["websocket-protocol"];

impl Protocol for Hixie75 {
    fn name(&self) -> &'static str {
        FLAVOUR.name
    }

    fn version(&self) -> Option<u8> {
        None
    }

    fn spoken_by(&self) -> &'static str {
        "Chrome 4-5, Safari 5.0.0, web-socket-js 2009"
    }

    fn capabilities(&self) -> Capabilities {
        HixieCodec::new(FLAVOUR, Limits::default()).capabilities()
    }

    fn is_masked(&self) -> bool {
        false
    }

    fn lists_subprotocols(&self) -> bool {
        false
    }

    /// A request with any `Sec-WebSocket-` field belongs to a later protocol.
    fn recognise(&self, head: &Head) -> Match {
        let later = head.fields().any(|(name, _)| {
            name.get(..14)
                .is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"sec-websocket-"))
                || name.eq_ignore_ascii_case(b"websocket-location")
        });
        if later {
            Match::No("it has a field that later protocols brought")
        } else {
            Match::Yes
        }
    }

    fn open(&self, head: Head, context: &Context) -> Result<Opening, HandshakeError> {
        // Nothing follows a request of this draft before its answer. What looks like one and has
        // bytes behind it is almost always a Hixie-76 request that lost its keys.
        if head.is_followed() {
            return Err(HandshakeError::Early);
        }
        let request = request(self.name(), context.secure, SUBPROTOCOL, &[','], head)?;
        let responder = Box::new(ServerHandshake {
            request: request.clone(),
            limits: context.limits,
        });
        Ok(Opening { request, responder })
    }

    fn dial(&self, dial: &Dial, context: &Context) -> Result<Box<dyn Dialer>, HandshakeError> {
        dialled_subprotocol(dial)?;
        Ok(Box::new(ClientHandshake {
            dial: dial.clone(),
            limits: context.limits,
            scanner: None,
        }))
    }
}

#[derive(Debug)]
struct ServerHandshake {
    request: Box<Request>,
    limits: Limits,
}

impl Responder for ServerHandshake {
    fn respond(
        &mut self,
        accept: &Accept,
        _src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Box<dyn Codec>>, HandshakeError> {
        HeadWriter::new(dst, STATUS_LINE)
            .field("Upgrade", "WebSocket")
            .field("Connection", "Upgrade")
            .optional("WebSocket-Origin", self.request.origin.as_ref())
            .field("WebSocket-Location", location(&self.request))
            .optional(
                "WebSocket-Protocol",
                echoed(&self.request, SUBPROTOCOL, accept),
            )
            .fields(accept.fields.iter().map(|(name, value)| (&**name, value)))
            .finish();
        Ok(Some(base64::accepted(
            HixieCodec::new(FLAVOUR, self.limits),
            accept,
        )))
    }
}

#[derive(Debug)]
struct ClientHandshake {
    dial: Dial,
    limits: Limits,
    /// Where the answer has been looked at; `None` before the request is out.
    scanner: Option<HeadScanner>,
}

impl Dialer for ClientHandshake {
    fn advance(
        &mut self,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Dialled>, HandshakeError> {
        let dial = &self.dial;
        let target = if dial.target.is_empty() {
            "/"
        } else {
            &*dial.target
        };
        let Some(scanner) = &mut self.scanner else {
            let subprotocol = dialled_subprotocol(dial)?;
            HeadWriter::new(dst, &format!("GET {target} HTTP/1.1"))
                .field("Upgrade", "WebSocket")
                .field("Connection", "Upgrade")
                .field("Host", &dial.host)
                .field("Origin", dialled_origin(dial))
                .optional("WebSocket-Protocol", subprotocol)
                .fields(dial.fields.iter().map(|(name, value)| (&**name, value)))
                .finish();
            self.scanner = Some(HeadScanner::default());
            return Ok(None);
        };
        let Some(head) = Head::take(scanner, src)? else {
            return Ok(None);
        };
        let response = check_answer(head, "WebSocket-", dial)?;
        let codec = HixieCodec::new(FLAVOUR, self.limits);
        let codec = base64::dialled(codec, response.subprotocol.as_deref());
        Ok(Some(Dialled { response, codec }))
    }
}
