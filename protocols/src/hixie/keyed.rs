//! The opening handshake with two keys, of hixie-76 and of the drafts hybi-01 to hybi-03.

use bytes::{Buf, BytesMut};

use super::handshake::Wording;
use super::keys::{Key, digest, key_number};
use crate::error::HandshakeError;
use crate::http::{AnswerReader, Head};
use crate::protocol::{
    Accept, Challenge, Context, Dial, DialError, Match, Protocol, Request, Response,
};

/// The wording of draft 76.
pub(crate) static WORDING: Wording = Wording {
    // "WebSocket" is one word here, and two in draft 75.
    status_line: "HTTP/1.1 101 WebSocket Protocol Handshake",
    origin: "Sec-WebSocket-Origin",
    location: "Sec-WebSocket-Location",
    subprotocol: "Sec-WebSocket-Protocol",
    // Some clients kept the name of draft 75.
    old_subprotocol: Some("WebSocket-Protocol"),
    separator: ',',
    repeats_subprotocol: true,
};

/// The bytes after the heads: the third key in the request, the digest in the answer.
pub(crate) const CHALLENGE: Challenge = Challenge {
    request: 8,
    answer: 16,
};

/// The server's side of the handshake with two keys, which the drafts hybi-01 to hybi-03 kept.
#[derive(Debug)]
pub(crate) struct ServerHandshake {
    pub(crate) request: Box<Request>,
    numbers: [u32; 2],
    wording: &'static Wording,
    head_is_out: bool,
}

impl ServerHandshake {
    /// Recognises a draft after 76 with this value of `Sec-WebSocket-Draft`.
    pub(crate) fn recognise(head: &Head, draft: &str) -> Match {
        match (lacks(head), head.value("sec-websocket-draft")) {
            (Some(why), _) => Match::No(why),
            (None, None) => Match::No("it has no Sec-WebSocket-Draft"),
            (None, Some(value)) if value == draft.as_bytes() => Match::Yes,
            (None, Some(_)) => Match::No("its Sec-WebSocket-Draft is a different one"),
        }
    }

    pub(crate) fn open(
        protocol: &'static dyn Protocol,
        wording: &'static Wording,
        head: Head,
        context: &Context,
    ) -> Result<Self, HandshakeError> {
        let number = |name| {
            let repeated = HandshakeError::Keys("a key is repeated");
            let key = head.single(name, repeated)?.unwrap_or_default();
            key_number(key).map_err(HandshakeError::Keys)
        };
        let numbers = [number("sec-websocket-key1")?, number("sec-websocket-key2")?];
        Ok(Self {
            request: wording.request(protocol, head, context)?,
            numbers,
            wording,
            head_is_out: false,
        })
    }

    /// Writes as much of the answer as is possible; returns true when it is complete.
    pub(crate) fn respond(
        &mut self,
        accept: &Accept,
        more: Option<(&str, &str)>,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> bool {
        // The head is sent before the eight bytes have arrived: HAProxy and nginx hold them back
        // until they have seen the 101, as no Content-Length announces them, and gevent-websocket
        // 0.3 sends them only then. If they have already arrived, head and digest are sent in one
        // write, which a Ruby client needs.
        if !self.head_is_out {
            self.head_is_out = true;
            self.wording.write_answer(&self.request, accept, more, dst);
        }
        let Some(body) = src.first_chunk::<8>().copied() else {
            return false;
        };
        src.advance(8);
        dst.extend_from_slice(&digest(self.numbers, body));
        true
    }
}

/// The client's side of [`ServerHandshake`].
#[derive(Debug)]
pub(crate) struct ClientHandshake {
    dial: Dial,
    wording: &'static Wording,
    /// The value of `Sec-WebSocket-Draft`.
    draft: Option<&'static str>,
    entropy: fn(&mut [u8]),
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    Begin,
    /// The request is sent.
    Head {
        answer: AnswerReader,
        expected: [u8; 16],
    },
    /// The answer's head is read.
    Digest {
        response: Response,
        expected: [u8; 16],
    },
}

impl ClientHandshake {
    pub(crate) fn new(
        dial: &Dial,
        wording: &'static Wording,
        draft: Option<&'static str>,
        context: &Context,
    ) -> Self {
        Self {
            dial: dial.clone(),
            wording,
            draft,
            entropy: context.entropy,
            progress: Progress::Begin,
        }
    }

    /// Sends the request, then checks the answer.
    pub(crate) fn advance(
        &mut self,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Response>, DialError> {
        loop {
            match &mut self.progress {
                Progress::Begin => {
                    let expected = self.request(dst);
                    self.progress = Progress::Head {
                        answer: AnswerReader::new(self.dial.answer),
                        expected,
                    };
                    return Ok(None);
                }
                Progress::Head { answer, expected } => {
                    let Some(head) = answer.advance(src)? else {
                        return Ok(None);
                    };
                    let response = self.wording.check_answer(head, &self.dial)?;
                    self.progress = Progress::Digest {
                        response,
                        expected: *expected,
                    };
                }
                Progress::Digest { response, expected } => {
                    let Some(answer) = src.first_chunk::<16>().copied() else {
                        return Ok(None);
                    };
                    if answer != *expected {
                        return Err(DialError::Answer("digest of the keys"));
                    }
                    src.advance(16);
                    return Ok(Some(response.clone()));
                }
            }
        }
    }

    /// Writes the request with fresh keys and returns the digest that the answer must contain.
    fn request(&self, dst: &mut BytesMut) -> [u8; 16] {
        let mut body = [0; 8];
        (self.entropy)(&mut body);
        let (first, second) = (Key::draw(self.entropy), Key::draw(self.entropy));
        let draft = self.draft.map(|draft| ("Sec-WebSocket-Draft", draft));
        let keys = [
            ("Sec-WebSocket-Key1", &*first.text),
            ("Sec-WebSocket-Key2", &second.text),
        ];
        let more = draft.into_iter().chain(keys);
        self.wording.write_request(&self.dial, more, dst);
        dst.extend_from_slice(&body);
        digest([first.number, second.number], body)
    }
}

/// Returns why a head is not a request with two keys and no field of a later draft; `None` if it
/// is.
pub(super) fn lacks(head: &Head) -> Option<&'static str> {
    if !head.has("sec-websocket-key1") || !head.has("sec-websocket-key2") {
        Some("it lacks Sec-WebSocket-Key1 or -Key2")
    } else if head.has("sec-websocket-key") || head.has("sec-websocket-version") {
        Some("it has a Sec-WebSocket-Key or -Version, fields of later protocols")
    } else {
        None
    }
}
