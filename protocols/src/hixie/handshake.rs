//! What the two opening handshakes share.

use bytestring::ByteString;
use memchr::memchr;

use crate::error::{HandshakeError, Malformed};
use crate::http::Head;
use crate::protocol::{Accept, Dial, Request, Response};

/// Where a client of draft 76 says its subprotocol; some kept the name of draft 75.
pub(super) const SUBPROTOCOL: &[&str] = &["sec-websocket-protocol", "websocket-protocol"];

/// The normal form of a request.
pub(crate) fn request(
    protocol: &'static str,
    secure: bool,
    subprotocol_fields: &[&str],
    separators: &[char],
    head: Head,
) -> Result<Box<Request>, HandshakeError> {
    let text = |value: &[u8], error: HandshakeError| head.text(value).ok_or(error);
    let host = head
        .single("host", HandshakeError::Host)?
        .ok_or(HandshakeError::Host)?;
    let host = text(host, HandshakeError::Host)?;
    // RFC 9112 §3.2: the forms without a path are those of CONNECT and OPTIONS, and a fragment
    // stays with its page.
    let target = origin_form(head.target());
    if !target.starts_with(b"/") || target.contains(&b'#') {
        return Err(HandshakeError::Malformed(Malformed::Target));
    }
    let target = match target {
        b"/" => ByteString::from_static("/"),
        longer => text(longer, HandshakeError::Malformed(Malformed::Target))?,
    };
    let origin = head.single("origin", HandshakeError::Origin)?;
    let origin = origin
        .map(|value| text(value, HandshakeError::Origin))
        .transpose()?;
    // A tab is the one control character that a field may have, and no origin has one.
    if origin.as_ref().is_some_and(|origin| origin.contains('\t')) {
        return Err(HandshakeError::Origin);
    }
    let mut subprotocols = Vec::new();
    if let Some(raw) = subprotocol_fields.iter().find_map(|name| head.value(name)) {
        // draft-hixie-76, "WebSocket-Protocol": characters from U+0020 to U+007E, not empty.
        if raw.is_empty() || !raw.iter().all(|byte| (0x20..0x7f).contains(byte)) {
            return Err(HandshakeError::Subprotocol);
        }
        let raw = text(raw, HandshakeError::Subprotocol)?;
        let names = raw
            .split(separators)
            .map(str::trim)
            .filter(|name| !name.is_empty());
        subprotocols.extend(names.map(|name| raw.slice_ref(name)));
    }
    Ok(Box::new(Request {
        protocol,
        secure,
        host,
        target,
        origin,
        subprotocols,
        head,
    }))
}

/// The target without scheme and authority: proxies and old tools send the absolute form.
fn origin_form(target: &[u8]) -> &[u8] {
    let Some(after) = [&b"http://"[..], b"https://", b"ws://", b"wss://"]
        .iter()
        .find_map(|scheme| {
            let (start, after) = target.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(after)
        })
    else {
        return target;
    };
    memchr(b'/', after)
        .and_then(|at| after.get(at..))
        .unwrap_or(b"/")
}

/// What the subprotocol field of an answer says: the client's own, of one of these names, as it
/// came, even if that is a list, or WebKit fails. Only `base64` is named alone, as websockify does.
pub(crate) fn echoed<'a>(
    request: &'a Request,
    subprotocol_fields: &'a [&'a str],
    accept: &'a Accept,
) -> Option<&'a [u8]> {
    let chosen = accept.subprotocol.as_ref()?;
    let raw = subprotocol_fields
        .iter()
        .find_map(|name| request.head.value(name))
        .filter(|_| &**chosen != "base64");
    Some(raw.unwrap_or(chosen.as_bytes()))
}

/// The URL the page typed, as its browser canonicalised it (WebKit compares the whole string):
/// lower-case host, no default port, the raw path and query.
pub(crate) fn location(request: &Request) -> String {
    let (scheme, default_port) = if request.secure {
        ("wss", ":443")
    } else {
        ("ws", ":80")
    };
    let host = request.host.to_ascii_lowercase();
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    format!("{scheme}://{host}{}", request.target)
}

/// What a client's request is made of in both protocols. Both have an origin as a matter of
/// course; where the caller has none, the server's own address stands for it.
pub(crate) fn dialled_origin(dial: &Dial) -> String {
    let scheme = if dial.secure { "https" } else { "http" };
    dial.origin
        .as_ref()
        .map_or_else(|| format!("{scheme}://{}", dial.host), ToString::to_string)
}

/// Checks that a dialler can ask for these subprotocols.
pub(crate) fn dialled_subprotocol(dial: &Dial) -> Result<Option<&ByteString>, HandshakeError> {
    match dial.subprotocols.as_slice() {
        [] => Ok(None),
        [name] if name.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && !name.is_empty() => {
            Ok(Some(name))
        }
        [_] => Err(HandshakeError::Dial(
            "a subprotocol that is not printable ASCII",
        )),
        // draft-hixie-76, "Sec-WebSocket-Protocol": one string, which the server must echo.
        _ => Err(HandshakeError::Dial("more than one subprotocol")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_scheme_and_authority_of_a_target() {
        for (target, expected) in [
            ("/a?b", "/a?b"),
            ("http://h:1/a?", "/a?"),
            ("WS://h", "/"),
            ("wss://h/", "/"),
            ("*", "*"),
        ] {
            assert_eq!(origin_form(target.as_bytes()), expected.as_bytes());
        }
    }
}
