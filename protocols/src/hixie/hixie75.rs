//! Hixie-75 (draft-hixie-thewebsocketprotocol-75): Chrome 4 and 5, Safari 5.0.0.
//!
//! The handshake has no challenge. Any program that writes these lines is a client:
//!
//! ```text
//! GET /chat HTTP/1.1
//! Upgrade: WebSocket
//! Connection: Upgrade
//! Host: example.com
//! Origin: http://example.com
//! ```
//!
//! A frame is `00`, text, `FF`; [`HixieCodec`] reads and writes them.

use bytes::BytesMut;

use super::handshake::{Wording, check_offered};
use super::{HixieCodec, HixieDialect};
use crate::base64;
use crate::error::HandshakeError;
use crate::http::{AnswerReader, Head};
use crate::protocol::{
    Accept, Capabilities, CloseForm, Codec, Context, Dial, DialError, Dialer, Dialled, Limits,
    Masking, Match, Opening, Protocol, Request, Responder,
};

/// The protocol of draft 75.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hixie75;

const DIALECT: HixieDialect = HixieDialect {
    name: "hixie-75",
    close: CloseForm::Eof,
    length_frames: false,
};

static WORDING: Wording = Wording {
    // "Web Socket" is two words in this draft, and clients compare the line literally.
    status_line: "HTTP/1.1 101 Web Socket Protocol Handshake",
    origin: "WebSocket-Origin",
    location: "WebSocket-Location",
    subprotocol: "WebSocket-Protocol",
    old_subprotocol: None,
    separator: ',',
    repeats_subprotocol: true,
};

impl Protocol for Hixie75 {
    fn name(&self) -> &'static str {
        DIALECT.name
    }

    fn version(&self) -> Option<u8> {
        None
    }

    fn spoken_by(&self) -> &'static str {
        "Chrome 4-5, Safari 5.0.0, web-socket-js 2009"
    }

    fn capabilities(&self) -> Capabilities {
        HixieCodec::new(DIALECT, Limits::default()).capabilities()
    }

    fn masking(&self) -> Masking {
        Masking::None
    }

    // Draft 75, "Reading the server's opening handshake": status line, Upgrade and Connection.
    fn literal_lines(&self) -> usize {
        3
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
            Match::No("it has a field of a later protocol")
        } else {
            Match::Yes
        }
    }

    fn open(&'static self, head: Head, context: &Context) -> Result<Opening, HandshakeError> {
        // A client of this draft sends nothing before the answer. A request with bytes after its
        // head is almost always a Hixie-76 request that has lost its keys.
        if head.is_followed() {
            return Err(HandshakeError::Early);
        }
        let request = WORDING.request(self, head, context)?;
        let responder = Box::new(ServerHandshake {
            request: request.clone(),
            limits: context.limits,
        });
        Ok(Opening { request, responder })
    }

    fn dial(&self, dial: &Dial, context: &Context) -> Result<Box<dyn Dialer>, DialError> {
        check_offered(&dial.subprotocols)?;
        Ok(Box::new(ClientHandshake {
            dial: dial.clone(),
            limits: context.limits,
            answer: None,
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
        WORDING.write_answer(&self.request, accept, None, dst);
        Ok(Some(base64::accepted(
            HixieCodec::new(DIALECT, self.limits),
            accept,
        )))
    }
}

#[derive(Debug)]
struct ClientHandshake {
    dial: Dial,
    limits: Limits,
    /// The reader of the answer; `None` until the request is written.
    answer: Option<AnswerReader>,
}

impl Dialer for ClientHandshake {
    fn advance(
        &mut self,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Dialled>, DialError> {
        let Some(answer) = &mut self.answer else {
            WORDING.write_request(&self.dial, None, dst);
            self.answer = Some(AnswerReader::new(self.dial.answer));
            return Ok(None);
        };
        let Some(head) = answer.advance(src)? else {
            return Ok(None);
        };
        let response = WORDING.check_answer(head, &self.dial)?;
        let codec = HixieCodec::new(DIALECT, self.limits);
        let codec = base64::dialled(codec, response.subprotocol.as_deref());
        Ok(Some(Dialled { response, codec }))
    }
}
