//! Hixie-76 (draft-hixie-thewebsocketprotocol-76, also draft-ietf-hybi-00): Chrome 6 to 13,
//! Safari 5.0.1 to 5.1, iOS 4.2 to 5, Opera 11, PhantomJS 1.
//!
//! The request carries two keys and, behind its blank line, eight bytes. The answer ends with
//! sixteen: `MD5(number of key 1 ‖ number of key 2 ‖ the eight bytes)`.

use bytes::{Buf, BytesMut};

use super::handshake::{
    SUBPROTOCOL, dialled_origin, dialled_subprotocol, echoed, location, request,
};
use super::keys::{Key, digest, key_number};
use super::{Flavour, HixieCodec};
use crate::base64;
use crate::error::{HandshakeError, Malformed};
use crate::http::{Head, HeadScanner, HeadWriter};
use crate::protocol::{
    Accept, Capabilities, CloseForm, Codec, Context, Dial, Dialer, Dialled, Limits, Match, Opening,
    Protocol, Request, Responder, Response,
};

/// The protocol of draft 76.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hixie76;

const FLAVOUR: Flavour = Flavour {
    name: "hixie-76",
    close: CloseForm::Bare,
    length_frames: false,
};

// "WebSocket" is one word here, and two in draft 75.
const STATUS_LINE: &str = "HTTP/1.1 101 WebSocket Protocol Handshake";

impl Protocol for Hixie76 {
    fn name(&self) -> &'static str {
        FLAVOUR.name
    }

    fn version(&self) -> Option<u8> {
        None
    }

    fn spoken_by(&self) -> &'static str {
        "Chrome 6-13, Safari 5.0.1-5.1, iOS 4.2-5, Firefox 4-5, Opera 11-12.0, PhantomJS 1"
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

    fn recognise(&self, head: &Head) -> Match {
        match (lacks(head), head.value("sec-websocket-draft")) {
            (Some(why), _) => Match::No(why),
            (None, None | Some(b"0")) => Match::Yes,
            // gevent-websocket 0.3 and a MtGox client say 2 and go on with `00 … FF`.
            (None, Some(b"2")) => Match::Fallback,
            (None, Some(_)) => Match::No("its Sec-WebSocket-Draft is of a later draft"),
        }
    }

    fn open(&self, head: Head, context: &Context) -> Result<Opening, HandshakeError> {
        let handshake = Handshake::open(self.name(), &[','], head, context)?;
        let flavour = Flavour {
            length_frames: wants_length_frames(&handshake.request),
            ..FLAVOUR
        };
        let request = handshake.request.clone();
        let responder = Box::new(Answer {
            handshake,
            flavour,
            limits: context.limits,
        });
        Ok(Opening { request, responder })
    }

    fn dial(&self, dial: &Dial, context: &Context) -> Result<Box<dyn Dialer>, HandshakeError> {
        let offered = dialled_subprotocol(dial)?.map(ToString::to_string);
        let call = Call::new(dial, offered, None, context);
        Ok(Box::new(HixieCall {
            call,
            limits: context.limits,
        }))
    }
}

/// What keeps a head from being a request with keys, and with nothing of a later draft.
fn lacks(head: &Head) -> Option<&'static str> {
    if !head.has("sec-websocket-key1") || !head.has("sec-websocket-key2") {
        Some("it lacks Sec-WebSocket-Key1 or -Key2")
    } else if head.has("sec-websocket-key") || head.has("sec-websocket-version") {
        Some("it has a Sec-WebSocket-Key or -Version, which later protocols brought")
    } else {
        None
    }
}

/// Kaazing's native clients ask for binary in `80` frames; browsers could not read those.
fn wants_length_frames(request: &Request) -> bool {
    let query = request
        .target
        .split_once('?')
        .map_or("", |(_, query)| query);
    request.head.value("x-accept-frametype") == Some(b"binary")
        || query.split('&').any(|pair| pair == "encoding=binary")
}

/// The handshake with two keys, which the drafts hybi-01 to hybi-03 kept.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub(crate) request: Box<Request>,
    numbers: [u32; 2],
    /// The subprotocol fields that are answered as they came: none where they hold a list.
    verbatim: &'static [&'static str],
    head_is_out: bool,
}

impl Handshake {
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

#[derive(Debug)]
struct Answer {
    handshake: Handshake,
    flavour: Flavour,
    limits: Limits,
}

impl Responder for Answer {
    fn respond(
        &mut self,
        accept: &Accept,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Box<dyn Codec>>, HandshakeError> {
        let kaazing: &[_] = &[("X-Frame-Type", "binary")];
        let more = self.flavour.length_frames.then_some(kaazing);
        let more = more.unwrap_or_default();
        let complete = self.handshake.respond(accept, more, src, dst);
        let codec = || base64::accepted(HixieCodec::new(self.flavour, self.limits), accept);
        Ok(complete.then(codec))
    }
}

/// The client's side of [`Handshake`].
#[derive(Debug)]
pub(crate) struct Call {
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

impl Call {
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

#[derive(Debug)]
struct HixieCall {
    call: Call,
    limits: Limits,
}

impl Dialer for HixieCall {
    fn advance(
        &mut self,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Dialled>, HandshakeError> {
        let Some(response) = self.call.advance(src, dst)? else {
            return Ok(None);
        };
        let codec = HixieCodec::new(FLAVOUR, self.limits);
        let codec = base64::dialled(codec, response.subprotocol.as_deref());
        Ok(Some(Dialled { response, codec }))
    }
}

/// What a client of either protocol checks in the answer's head; the fields of draft 76 have
/// the `Sec-` prefix.
pub(super) fn check_answer(
    head: Head,
    prefix: &str,
    dial: &Dial,
) -> Result<Response, HandshakeError> {
    match head.status() {
        Some(101) => {}
        Some(status) => return Err(HandshakeError::Status(status)),
        None => return Err(HandshakeError::Malformed(Malformed::Status)),
    }
    let is = |name: &str, expected: &str| {
        head.value(name)
            .is_some_and(|value| value.eq_ignore_ascii_case(expected.as_bytes()))
    };
    if !is("upgrade", "websocket") {
        return Err(HandshakeError::Answer("Upgrade field"));
    }
    if !is("connection", "upgrade") {
        return Err(HandshakeError::Answer("Connection field"));
    }
    if !is(&format!("{prefix}Origin"), &dialled_origin(dial)) {
        return Err(HandshakeError::Answer("origin"));
    }
    // Only that there is one: behind a gateway a server knows itself by another address.
    let scheme = if dial.secure {
        &b"wss://"[..]
    } else {
        b"ws://"
    };
    if !head
        .value(&format!("{prefix}Location"))
        .is_some_and(|value| value.starts_with(scheme))
    {
        return Err(HandshakeError::Answer("location"));
    }
    let name = format!("{prefix}Protocol");
    let chosen = head.value(&name);
    let subprotocol = dial
        .subprotocols
        .iter()
        .find(|name| Some(name.as_ref()) == chosen)
        .cloned();
    if subprotocol.is_none() && (chosen.is_some() || !dial.subprotocols.is_empty()) {
        return Err(HandshakeError::Answer("subprotocol"));
    }
    Ok(Response { subprotocol, head })
}
