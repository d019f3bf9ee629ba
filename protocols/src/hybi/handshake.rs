//! The opening handshake with `Sec-WebSocket-Key` (RFC 6455 §4), and that of drafts 01 to 03, which
//! kept the keys of hixie-76.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use sha1::{Digest, Sha1};

use super::{Announced, Dialect, Hybi, HybiCodec, early, mask};
use crate::base64 as base64_codec;
use crate::compression::Compression;
use crate::error::HandshakeError;
use crate::extension::{self, Agreed};
use crate::fields::Fields;
use crate::hixie::keyed;
use crate::http::{AnswerReader, Head, HeadWriter, is_token, is_token_byte};
use crate::protocol::{
    Accept, Capabilities, Challenge, Codec, Context, Dial, DialError, Dialer, Dialled, Masking,
    Match, Opening, Protocol, Request, Responder, Response, Role, StreamAnswer,
};

/// RFC 6455 §1.3: the string that is hashed after the key.
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The most characters that a key may have; known clients send 20 or 24.
const MAX_KEY: usize = 88;

impl Protocol for Hybi {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn version(&self) -> Option<u8> {
        match self.0.announced {
            Announced::Draft(_) => None,
            Announced::Version(version) => Some(version),
        }
    }

    fn spoken_by(&self) -> &'static str {
        self.0.spoken_by
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn masking(&self) -> Masking {
        self.0.masking
    }

    fn challenge(&self) -> Challenge {
        match self.0.announced {
            Announced::Draft(_) => keyed::CHALLENGE,
            Announced::Version(_) => Challenge::default(),
        }
    }

    fn recognise(&self, head: &Head) -> Match {
        match self.0.announced {
            Announced::Draft(draft) => keyed::ServerHandshake::recognise(head, draft),
            Announced::Version(version) => {
                let mut values = head.values("sec-websocket-version");
                match (values.next(), values.next()) {
                    (None, _) => Match::No("it has no Sec-WebSocket-Version"),
                    (Some(_), Some(_)) => Match::No("its Sec-WebSocket-Version is repeated"),
                    (Some(value), None) if is_number(value, version) => Match::Yes,
                    (Some(_), None) => Match::No("its Sec-WebSocket-Version is a different one"),
                }
            }
        }
    }

    fn open(&'static self, head: Head, context: &Context) -> Result<Opening, HandshakeError> {
        if let Announced::Draft(_) = self.0.announced {
            return early::open(self, head, context);
        }
        let key = if head.is_connect() {
            None
        } else {
            Some(self.key(&head)?)
        };
        let compression = extension::choose(&head, compression(self.0, context))?;
        let request = self.request(head, context)?;
        let responder = Box::new(ServerHandshake {
            dialect: self.0,
            key,
            context: *context,
            compression,
        });
        Ok(Opening { request, responder })
    }

    fn dial(&self, dial: &Dial, context: &Context) -> Result<Box<dyn Dialer>, DialError> {
        if !dial.subprotocols.iter().all(|name| is_token(name)) {
            return Err(DialError::Unsupported("a subprotocol that is not a token"));
        }
        if let Announced::Draft(draft) = self.0.announced {
            return Ok(early::dial(self.0, draft, dial, context));
        }
        let handshake = ClientHandshake {
            dialect: self.0,
            dial: dial.clone(),
            context: *context,
            sent: None,
        };
        Ok(Box::new(handshake))
    }

    /// RFC 8441 applies to RFC 6455 only.
    fn is_spoken_on_streams(&self) -> bool {
        self.0.announced == Announced::Version(13)
    }
}

impl Hybi {
    /// Returns the key of a request.
    fn key(&self, head: &Head) -> Result<Bytes, HandshakeError> {
        let key = head.single("sec-websocket-key", HandshakeError::Key)?;
        let key = key
            .filter(|key| is_key(key, self.0))
            .ok_or(HandshakeError::Key)?;
        Ok(head.as_bytes().slice_ref(key))
    }

    fn request(
        &'static self,
        head: Head,
        context: &Context,
    ) -> Result<Box<Request>, HandshakeError> {
        let mut request = Request::read(self, head, context.secure)?;
        let head = &request.head;
        if let Some(origin) = head.value(self.0.origin) {
            request.origin = Some(head.text(origin).ok_or(HandshakeError::Origin)?);
        }
        for name in head.list("sec-websocket-protocol") {
            if !name.iter().copied().all(is_token_byte) {
                return Err(HandshakeError::Subprotocol);
            }
            request.subprotocols.extend(head.text(name));
        }
        Ok(request)
    }
}

/// Returns how messages may be compressed; `None` if not at all.
fn compression<'a>(dialect: &Dialect, context: &'a Context) -> Option<&'a Compression> {
    let ours = context.compression.as_ref();
    ours.filter(|_| dialect.has_extensions())
}

/// True if a field's value is this number, which has at most two digits (RFC 6455 §4.1).
fn is_number(value: &[u8], number: u8) -> bool {
    let digits = [number / 10, number % 10].map(|digit| b'0'.saturating_add(digit));
    let written = digits.strip_prefix(b"0").unwrap_or(&digits);
    value == written
}

/// RFC 6455 §4.2.1, item 5: a key is base64 of 16 bytes. Clients of the drafts send other lengths
/// and non-zero trailing bits.
fn is_key(key: &[u8], dialect: &Dialect) -> bool {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let exact = dialect.min_key == 16;
    let mut bytes = [0; MAX_KEY];
    key.len() <= MAX_KEY
        && LENIENT.decode_slice(key, &mut bytes).is_ok_and(|len| {
            if exact {
                len == 16
            } else {
                len >= dialect.min_key
            }
        })
}

/// RFC 6455 §4.2.2, item 5.4.
fn accept_value(key: &[u8]) -> [u8; 28] {
    let hash = Sha1::new()
        .chain_update(key)
        .chain_update(ACCEPT_GUID)
        .finalize();
    let mut value = [0; 28];
    // Infallible: the base64 of 20 bytes has 28 characters.
    let _ = STANDARD.encode_slice(hash, &mut value);
    value
}

#[derive(Debug)]
struct ServerHandshake {
    dialect: &'static Dialect,
    /// The key; `None` on an HTTP/2 stream, where no keys are exchanged (RFC 8441 §5).
    key: Option<Bytes>,
    context: Context,
    /// The negotiated extension and its field value in the answer.
    compression: Option<(Agreed, String)>,
}

impl Responder for ServerHandshake {
    fn respond(
        &mut self,
        accept: &Accept,
        _src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Box<dyn Codec>>, HandshakeError> {
        let key = self.key.as_deref().ok_or(HandshakeError::Key)?;
        let mut codec = HybiCodec::new(self.dialect, Role::Server, &self.context);
        let nonce = self
            .dialect
            .has_nonces
            .then(|| fresh_key(self.context.entropy));
        if let Some(nonce) = &nonce {
            codec = codec.with_masking_key(mask::masking_key(key, nonce.as_bytes()));
        }
        let (agreed, extensions) = self.compression.take().unzip();
        // Chrome 14 and Flash require Connection to be exactly `Upgrade`. Chrome 14 offers no
        // extensions and fails on any Sec-WebSocket-Extensions.
        HeadWriter::new(dst, "HTTP/1.1 101 Switching Protocols")
            .field("Upgrade", "websocket")
            .field("Connection", "Upgrade")
            .field("Sec-WebSocket-Accept", accept_value(key))
            .optional("Sec-WebSocket-Nonce", nonce)
            .optional("Sec-WebSocket-Protocol", accept.subprotocol.as_ref())
            .optional("Sec-WebSocket-Extensions", extensions)
            .fields(accept.fields.iter())
            .finish();
        let codec = codec.with_compression(agreed);
        Ok(Some(base64_codec::accepted(codec, accept)))
    }

    fn respond_on_stream(&mut self, accept: &Accept) -> Option<StreamAnswer> {
        if self.key.is_some() {
            return None;
        }
        let (agreed, extensions) = self.compression.take().unzip();
        let mut fields = Fields::new();
        if let Some(name) = &accept.subprotocol {
            fields.append("sec-websocket-protocol", name.as_bytes().clone());
        }
        if let Some(extensions) = extensions {
            fields.append("sec-websocket-extensions", extensions);
        }
        fields.extend(accept.fields.clone());
        let codec = HybiCodec::new(self.dialect, Role::Server, &self.context);
        let codec = base64_codec::accepted(codec.with_compression(agreed), accept);
        Some(StreamAnswer { fields, codec })
    }
}

/// Returns sixteen random bytes in base64.
fn fresh_key(entropy: fn(&mut [u8])) -> String {
    let mut bytes = [0; 16];
    entropy(&mut bytes);
    STANDARD.encode(bytes)
}

#[derive(Debug)]
struct ClientHandshake {
    dialect: &'static Dialect,
    dial: Dial,
    context: Context,
    /// The key and the reader of the answer; `None` until the request is sent.
    sent: Option<(String, AnswerReader)>,
}

impl Dialer for ClientHandshake {
    fn advance(
        &mut self,
        src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Dialled>, DialError> {
        let Some((key, answer)) = &mut self.sent else {
            let key = fresh_key(self.context.entropy);
            self.request(&key, dst);
            self.sent = Some((key, AnswerReader::new(self.dial.answer)));
            return Ok(None);
        };
        let Some(head) = answer.advance(src)? else {
            return Ok(None);
        };
        check_answer(&head, key)?;
        let subprotocol = chosen_subprotocol(&head, &self.dial)?;
        let agreed = extension::accept(&head, compression(self.dialect, &self.context))?;
        let mut codec =
            HybiCodec::new(self.dialect, Role::Client, &self.context).with_compression(agreed);
        if self.dialect.has_nonces {
            let nonce = head
                .value("sec-websocket-nonce")
                .ok_or(DialError::Answer("Sec-WebSocket-Nonce"))?;
            codec = codec.with_masking_key(mask::masking_key(key.as_bytes(), nonce));
        }
        let codec = base64_codec::dialled(codec, subprotocol.as_deref());
        Ok(Some(Dialled {
            response: Response { subprotocol, head },
            codec,
        }))
    }
}

impl ClientHandshake {
    fn request(&self, key: &str, dst: &mut BytesMut) {
        let dial = &self.dial;
        let version = match self.dialect.announced {
            Announced::Version(version) => version.to_string(),
            Announced::Draft(draft) => draft.to_owned(),
        };
        let extensions = compression(self.dialect, &self.context).map(extension::offer);
        let subprotocols = (!dial.subprotocols.is_empty()).then(|| dial.subprotocols.join(", "));
        HeadWriter::new(dst, &dial.first_line())
            .field("Host", &dial.host)
            .field("Upgrade", "websocket")
            .field("Connection", "Upgrade")
            .field("Sec-WebSocket-Key", key)
            .optional(self.dialect.origin, dial.origin.as_ref())
            .field("Sec-WebSocket-Version", version)
            .optional("Sec-WebSocket-Protocol", subprotocols)
            .optional("Sec-WebSocket-Extensions", extensions)
            .fields(dial.fields.iter())
            .finish();
    }
}

/// Makes the checks that RFC 6455 §4.1 requires of a client.
fn check_answer(head: &Head, key: &str) -> Result<(), DialError> {
    Response::check_status(head)?;
    if !head.lists("upgrade", "websocket") {
        return Err(DialError::Answer("Upgrade field"));
    }
    if !head.lists("connection", "upgrade") {
        return Err(DialError::Answer("Connection field"));
    }
    let accept = accept_value(key.as_bytes());
    if head.value("sec-websocket-accept") != Some(&accept[..]) {
        return Err(DialError::Answer("Sec-WebSocket-Accept"));
    }
    Ok(())
}

/// Returns the subprotocol of an answer, which must be one that was offered; `None` if it has none.
fn chosen_subprotocol(head: &Head, dial: &Dial) -> Result<Option<ByteString>, DialError> {
    let error = DialError::Answer("Sec-WebSocket-Protocol");
    let Some(chosen) = head.single("sec-websocket-protocol", error.clone())? else {
        return Ok(None);
    };
    let offered = dial
        .subprotocols
        .iter()
        .find(|name| name.as_bytes() == chosen);
    offered.cloned().map(Some).ok_or(error)
}
