//! The opening handshake of drafts 75 and 76, which differ in their wording.

use bytes::BytesMut;
use bytestring::ByteString;

use crate::error::HandshakeError;
use crate::http::{Head, HeadWriter};
use crate::protocol::{Accept, Context, Dial, DialError, Protocol, Request, Response};

/// The wording of one of the two handshakes.
#[derive(Debug)]
pub(crate) struct Wording {
    /// The first line of the answer.
    pub(crate) status_line: &'static str,
    /// The field of the answer that repeats the origin.
    pub(crate) origin: &'static str,
    /// The field of the answer that repeats the URL.
    pub(crate) location: &'static str,
    /// The field of the subprotocol, in the request and in the answer.
    pub(crate) subprotocol: &'static str,
    /// An older name of that field, which some requests use; `None` if there is none.
    pub(crate) old_subprotocol: Option<&'static str>,
    /// The separator between subprotocols, for clients that list several.
    pub(crate) separator: char,
    /// True if the answer repeats the client's field unchanged, even if it is a list: WebKit fails
    /// otherwise. Only `base64` is named alone, as websockify does.
    pub(crate) repeats_subprotocol: bool,
}

impl Wording {
    /// Reads a request.
    pub(crate) fn request(
        &self,
        protocol: &'static dyn Protocol,
        head: Head,
        context: &Context,
    ) -> Result<Box<Request>, HandshakeError> {
        let mut request = Request::read(protocol, head, context.secure)?;
        let head = &request.head;
        let Some(raw) = self.listed(head) else {
            return Ok(request);
        };
        // draft-hixie-76, "WebSocket-Protocol": characters from U+0020 to U+007E, not empty.
        if raw.is_empty() || !raw.iter().all(|byte| (0x20..0x7f).contains(byte)) {
            return Err(HandshakeError::Subprotocol);
        }
        let raw = head.text(raw).ok_or(HandshakeError::Subprotocol)?;
        let names = raw.split(self.separator).map(str::trim);
        let names = names.filter(|name| !name.is_empty());
        request.subprotocols = names.map(|name| raw.slice_ref(name)).collect();
        Ok(request)
    }

    /// Writes the head of the answer that accepts a request, with `more` before the fields that the
    /// application adds.
    pub(crate) fn write_answer(
        &self,
        request: &Request,
        accept: &Accept,
        more: Option<(&str, &str)>,
        dst: &mut BytesMut,
    ) {
        let repeated = || {
            self.listed(&request.head)
                .filter(|_| self.repeats_subprotocol)
        };
        let subprotocol = accept.subprotocol.as_ref().map(|chosen| match &**chosen {
            "base64" => chosen.as_bytes(),
            _ => repeated().unwrap_or(chosen.as_bytes()),
        });
        HeadWriter::new(dst, self.status_line)
            .field("Upgrade", "WebSocket")
            .field("Connection", "Upgrade")
            .optional(self.origin, request.origin.as_ref())
            .field(self.location, location(request))
            .optional(self.subprotocol, subprotocol)
            .fields(more)
            .fields(accept.fields.iter())
            .finish();
    }

    /// Writes a request, with `more` after the fields that the caller adds.
    pub(crate) fn write_request<'a>(
        &self,
        dial: &Dial,
        more: impl IntoIterator<Item = (&'a str, &'a str)>,
        dst: &mut BytesMut,
    ) {
        let listed = || dial.subprotocols.join(&*self.separator.to_string());
        let subprotocols = (!dial.subprotocols.is_empty()).then(listed);
        HeadWriter::new(dst, &dial.first_line())
            .field("Upgrade", "WebSocket")
            .field("Connection", "Upgrade")
            .field("Host", &dial.host)
            .field("Origin", origin(dial))
            .optional(self.subprotocol, subprotocols)
            .fields(dial.fields.iter())
            .fields(more)
            .finish();
    }

    /// Checks the head of an answer as a client of either draft does.
    pub(crate) fn check_answer(&self, head: Head, dial: &Dial) -> Result<Response, DialError> {
        Response::check_status(&head)?;
        let is = |name: &str, expected: &str| {
            head.value(name)
                .is_some_and(|value| value.eq_ignore_ascii_case(expected.as_bytes()))
        };
        if !is("upgrade", "websocket") {
            return Err(DialError::Answer("Upgrade field"));
        }
        if !is("connection", "upgrade") {
            return Err(DialError::Answer("Connection field"));
        }
        if !is(self.origin, &origin(dial)) {
            return Err(DialError::Answer("origin"));
        }
        // Only the scheme is checked: a server behind a gateway knows itself by another address.
        let scheme = if dial.secure { "wss://" } else { "ws://" };
        let location = head.value(self.location).unwrap_or_default();
        if !location.starts_with(scheme.as_bytes()) {
            return Err(DialError::Answer("location"));
        }
        let chosen = head.value(self.subprotocol);
        let offered = &dial.subprotocols;
        let subprotocol = offered.iter().find(|name| Some(name.as_ref()) == chosen);
        let subprotocol = subprotocol.cloned();
        if subprotocol.is_none() && (chosen.is_some() || !offered.is_empty()) {
            return Err(DialError::Answer("subprotocol"));
        }
        Ok(Response { subprotocol, head })
    }

    /// Returns the field of a request that lists its subprotocols, unchanged.
    fn listed<'a>(&'a self, head: &'a Head) -> Option<&'a [u8]> {
        let current = head.value(self.subprotocol);
        current.or_else(|| head.value(self.old_subprotocol?))
    }
}

/// Returns the URL that the page requested, as its browser canonicalised it (WebKit compares the
/// whole string): lower-case host, no default port, the raw path and query.
fn location(request: &Request) -> String {
    let (scheme, default_port) = if request.secure {
        ("wss", ":443")
    } else {
        ("ws", ":80")
    };
    let host = request.host.to_ascii_lowercase();
    let port = host.strip_suffix(default_port);
    let host = port.or(host.strip_suffix(':')).unwrap_or(&host);
    format!("{scheme}://{host}{}", request.target)
}

/// Returns the origin that a client sends. Both drafts require one; if the caller sets none, it is
/// made from the server's own address.
fn origin(dial: &Dial) -> String {
    let scheme = if dial.secure { "https" } else { "http" };
    dial.origin
        .as_ref()
        .map_or_else(|| format!("{scheme}://{}", dial.host), ToString::to_string)
}

/// Checks that a client can request these subprotocols: draft-hixie-76, "Sec-WebSocket-Protocol",
/// allows one string, which the server must echo.
pub(super) fn check_offered(subprotocols: &[ByteString]) -> Result<(), DialError> {
    match subprotocols {
        [] => Ok(()),
        [name] if name.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && !name.is_empty() => {
            Ok(())
        }
        [_] => Err(DialError::Unsupported(
            "a subprotocol that is not printable ASCII",
        )),
        _ => Err(DialError::Unsupported("more than one subprotocol")),
    }
}
