//! The answers to plain text where only TLS is accepted.

use bytes::Bytes;
use polysock_protocols::Rejection;
use polysock_protocols::http::{Head, is_host};

/// Returns the refusal for a WebSocket, whose client would not follow a redirect.
pub(super) fn websocket() -> Rejection {
    Rejection::new(403, "this port requires TLS: connect with wss://")
}

/// Returns the redirect to `https://` for an ordinary request; a refusal if there is no location.
pub(super) fn request(head: &Head) -> Rejection {
    let Some(location) = location(head) else {
        return Rejection::new(403, "this port requires TLS: connect with https://");
    };
    // RFC 9110 §15.4.9: 308 keeps the method and the body, 301 may not. Clients from before 2014 do
    // not know 308, and mostly send GET and HEAD.
    let is_safe = matches!(head.method(), b"GET" | b"HEAD");
    let status = if is_safe { 301 } else { 308 };
    let mut rejection = Rejection::new(status, format_args!("this port requires TLS: {location}"));
    if head.method() == b"HEAD" {
        rejection.body = Bytes::new();
    }
    rejection.fields.append("Location", location);
    rejection
}

/// Returns the same host and path with `https://`; `None` if the request does not name both.
fn location(head: &Head) -> Option<String> {
    let target = std::str::from_utf8(head.target()).ok()?;
    let scheme = "http://";
    let absolute = target
        .get(..scheme.len())
        .filter(|begin| begin.eq_ignore_ascii_case(scheme));
    let (host, path) = match absolute {
        // RFC 9112 §3.2.2: the host in the target overrides the `Host` field.
        Some(_) => {
            let rest = target.get(scheme.len()..)?;
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            rest.split_at(end)
        }
        None if target.starts_with('/') => (std::str::from_utf8(head.value("host")?).ok()?, target),
        None => return None,
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    let is_named = !host.is_empty() && is_host(host.as_bytes());
    is_named.then(|| format!("https://{host}{slash}{path}"))
}
