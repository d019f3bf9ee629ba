//! The opening handshake with two keys, of Hixie-76 and of the drafts hybi-01 to hybi-03.

use bytes::{Buf, BytesMut};

use super::handshake::{SUBPROTOCOL, check_answer, dialled_origin, echoed, location, request};
use super::keys::{Key, digest, key_number};
use crate::error::HandshakeError;
use crate::http::{Head, HeadScanner, HeadWriter};
use crate::protocol::{Accept, Context, Dial, Match, Request, Response};

// "WebSocket" is one word here, and two in draft 75.
const STATUS_LINE: &str = "HTTP/1.1 101 WebSocket Protocol Handshake";

/// The handshake with two keys, which the drafts hybi-01 to hybi-03 kept.
#[derive(Debug)]
pub(crate) struct ServerHandshake {
    pub(crate) request: Box<Request>,
    numbers: [u32; 2],
    /// The subprotocol fields that are answered as they came: none where they hold a list.
    verbatim: &'static [&'static str],
    head_is_out: bool,
}

impl ServerHandshake {
    /// Whether a head is of a draft after 76 with this `Sec-WebSocket-Draft`.
    pub(crate) fn recognise(head: &Head, draft: &str) -> Match {
        match (lacks(head), head.value("sec-websocket-draft")) {
            (Some(why), _) => Match::No(why),
            (None, None) => Match::No("it has no Sec-WebSocket-Draft"),
            (None, Some(value)) if value == draft.as_bytes() => Match::Yes,
            (None, Some(_)) => Match::No("its Sec-WebSocket-Draft is another"),
        }
    }

    pub(crate) fn open(
        protocol: &'static str,
        separators: &[char],
        head: Head,
        context: &Context,
    ) -> Result<Self, HandshakeError> {
        let number = |name| {
            let repeated = HandshakeError::Keys("a key is repeated");
            let key = head.single(name, repeated)?.unwrap_or_default();
            key_number(key).map_err(HandshakeError::Keys)
        };
        let numbers = [number("sec-websocket-key1")?, number("sec-websocket-key2")?];
        let request = request(protocol, context.secure, SUBPROTOCOL, separators, head)?;
        let verbatim = Some(SUBPROTOCOL).filter(|_| separators == [',']);
        let verbatim = verbatim.unwrap_or_default();
        Ok(Self {
            request,
            numbers,
            verbatim,
            head_is_out: false,
        })
    }

    /// Writes the answer, as far as it can be written; true when it is complete.
    pub(crate) fn respond(
        &mut self,
        accept: &Accept,
        more: &[(&str, &str)],
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> bool {
        // The head goes out before the eight bytes have come in: HAProxy and nginx hold them
        // back until they have seen the 101, as no Content-Length announces them, and
        // gevent-websocket 0.3 sends them only then. Where they are here already, head and
        // digest leave in one write, which a Ruby client needs.
        if !self.head_is_out {
            self.head_is_out = true;
            let subprotocol = echoed(&self.request, self.verbatim, accept);
            HeadWriter::new(dst, STATUS_LINE)
                .field("Upgrade", "WebSocket")
                .field("Connection", "Upgrade")
                .optional("Sec-WebSocket-Origin", self.request.origin.as_ref())
                .field("Sec-WebSocket-Location", location(&self.request))
                .optional("Sec-WebSocket-Protocol", subprotocol)
                .fields(more.iter().copied())
                .fields(accept.fields.iter().map(|(name, value)| (&**name, value)))
                .finish();
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
    /// The value of the subprotocol field.
    offered: Option<String>,
    /// The value of `Sec-WebSocket-Draft`.
    draft: Option<&'static str>,
    entropy: fn(&mut [u8]),
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    Begin,
    /// The request is out.
    Head {
        scanner: HeadScanner,
        expected: [u8; 16],
    },
    /// The answer's head is in.
    Digest {
        response: Response,
        expected: [u8; 16],
    },
}

impl ClientHandshake {
    pub(crate) fn new(
        dial: &Dial,
        offered: Option<String>,
        draft: Option<&'static str>,
        context: &Context,
    ) -> Self {
        Self {
            dial: dial.clone(),
            offered,
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
    ) -> Result<Option<Response>, HandshakeError> {
        loop {
            match &mut self.progress {
                Progress::Begin => {
                    let expected = self.request(dst);
                    self.progress = Progress::Head {
                        scanner: HeadScanner::default(),
                        expected,
                    };
                    return Ok(None);
                }
                Progress::Head { scanner, expected } => {
                    let Some(head) = Head::take(scanner, src)? else {
                        return Ok(None);
                    };
                    let response = check_answer(head, "Sec-WebSocket-", &self.dial)?;
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
                        return Err(HandshakeError::Answer("digest of the keys"));
                    }
                    src.advance(16);
                    return Ok(Some(response.clone()));
                }
            }
        }
    }

    /// Writes the request with fresh keys and returns the digest that answers them.
    fn request(&self, dst: &mut BytesMut) -> [u8; 16] {
        let mut body = [0; 8];
        (self.entropy)(&mut body);
        let (first, second) = (Key::draw(self.entropy), Key::draw(self.entropy));
        let target = if self.dial.target.is_empty() {
            "/"
        } else {
            &*self.dial.target
        };
        HeadWriter::new(dst, &format!("GET {target} HTTP/1.1"))
            .field("Upgrade", "WebSocket")
            .field("Connection", "Upgrade")
            .field("Host", &self.dial.host)
            .field("Origin", dialled_origin(&self.dial))
            .optional("Sec-WebSocket-Protocol", self.offered.as_ref())
            .fields(
                self.dial
                    .fields
                    .iter()
                    .map(|(name, value)| (&**name, value)),
            )
            .optional("Sec-WebSocket-Draft", self.draft)
            .field("Sec-WebSocket-Key1", first.text)
            .field("Sec-WebSocket-Key2", second.text)
            .finish();
        dst.extend_from_slice(&body);
        digest([first.number, second.number], body)
    }
}

/// What keeps a head from being a request with keys, and with nothing of a later draft.
pub(super) fn lacks(head: &Head) -> Option<&'static str> {
    if !head.has("sec-websocket-key1") || !head.has("sec-websocket-key2") {
        Some("it lacks Sec-WebSocket-Key1 or -Key2")
    } else if head.has("sec-websocket-key") || head.has("sec-websocket-version") {
        Some("it has a Sec-WebSocket-Key or -Version, which later protocols brought")
    } else {
        None
    }
}
