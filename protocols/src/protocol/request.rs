//! The request of a client.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

use super::Protocol;
use crate::error::{HandshakeError, HeadError, Malformed};
use crate::http::{Head, origin_form};
use crate::secrets::{hide_in_subprotocols, hide_secrets};

/// A recognised and valid request of a client.
#[derive(Clone)]
pub struct Request {
    /// The protocol of the request.
    pub protocol: &'static dyn Protocol,
    /// Whether the page uses `wss://`.
    pub secure: bool,
    /// The `Host` field, unchanged.
    pub host: ByteString,
    /// Path and query, without scheme and authority.
    pub target: ByteString,
    /// The origin of the page. Browsers always send it.
    pub origin: Option<ByteString>,
    /// The offered subprotocols, in order of preference: those from all lines of the client's list
    /// (RFC 6455 §11.3.4), unless a gateway replaces them by its own.
    pub subprotocols: Vec<ByteString>,
    /// The whole head, for cookies, user agent and the like.
    pub head: Head,
}

impl Request {
    /// Reads the parts that all protocols share: host, target and origin. Each protocol reads the
    /// subprotocols by itself, because their syntax differs.
    ///
    /// # Errors
    ///
    /// The part that is missing, repeated or malformed.
    pub fn read(
        protocol: &'static dyn Protocol,
        head: Head,
        secure: bool,
    ) -> Result<Box<Self>, HandshakeError> {
        let text = |value: &[u8], error: HandshakeError| head.text(value).ok_or(error);
        let host = head
            .single("host", HandshakeError::Host)?
            .ok_or(HandshakeError::Host)?;
        let host = text(host, HandshakeError::Host)?;
        // RFC 9112 §3.2: only CONNECT and OPTIONS have targets without a path, and a client never
        // sends a fragment.
        let malformed_target = HandshakeError::Head(HeadError::Malformed(Malformed::Target));
        let target = match origin_form(head.target()) {
            target if target.contains(&b'#') => return Err(malformed_target),
            b"" | b"/" => ByteString::from_static("/"),
            path @ [b'/', ..] => text(path, malformed_target)?,
            // RFC 3986 §6.2.3: a query without a path belongs to `/`.
            query @ [b'?', ..] => {
                let query = text(query, malformed_target)?;
                format!("/{query}").into()
            }
            _ => return Err(malformed_target),
        };
        let origin = head.single("origin", HandshakeError::Origin)?;
        let origin = origin
            .map(|value| text(value, HandshakeError::Origin))
            .transpose()?;
        // A tab is the only control character that is legal in a field; an origin never contains it.
        if origin.as_ref().is_some_and(|origin| origin.contains('\t')) {
            return Err(HandshakeError::Origin);
        }
        Ok(Box::new(Self {
            protocol,
            secure,
            host,
            target,
            origin,
            subprotocols: Vec::new(),
            head,
        }))
    }

    /// A compact copy of the request, for storage.
    pub fn pack(&self) -> PackedRequest {
        PackedRequest {
            protocol: self.protocol,
            secure: self.secure,
            head: self.head.as_bytes().as_ref().into(),
            subprotocols: self.subprotocols.as_slice().into(),
        }
    }

    /// The path: the target without its query.
    pub fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(&*self.target, |(path, _)| path)
    }

    /// The `User-Agent`, if the client sent one. Few clients did before 2013.
    pub fn user_agent(&self) -> Option<String> {
        self.head
            .value("user-agent")
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

/// A compact copy of a request, kept as long as its connection: the bytes of the head and little
/// else.
#[derive(Clone)]
pub struct PackedRequest {
    protocol: &'static dyn Protocol,
    secure: bool,
    head: Box<[u8]>,
    subprotocols: Box<[ByteString]>,
}

impl PackedRequest {
    /// Parses the head again and returns the request. `None` never occurs for a request that
    /// [`pack`](Request::pack) has made.
    pub fn unpack(&self) -> Option<Box<Request>> {
        let head = Head::again(Bytes::copy_from_slice(&self.head))?;
        let mut request = Request::read(self.protocol, head, self.secure).ok()?;
        request.subprotocols = self.subprotocols.to_vec();
        Some(request)
    }
}

impl fmt::Debug for PackedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unpack().fmt(f)
    }
}

// Shows the protocol by its name alone, and hides secrets.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("protocol", &self.protocol.name())
            .field("secure", &self.secure)
            .field("host", &self.host)
            .field("target", &hide_secrets(&self.target))
            .field("origin", &self.origin.as_deref().map(hide_secrets))
            .field("subprotocols", &hide_in_subprotocols(&self.subprotocols))
            .field("head", &self.head)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HeadLimits;
    use crate::registry::find_protocol;

    #[test]
    fn a_packed_request_is_restored_unchanged() {
        let limits = HeadLimits::default();
        let text = b"GET /a?b=c HTTP/1.1\r\nHost: example.com\nOrigin:  http://example.com \r\nCookie: a=1\r\nX:\r\n\r\n";
        let upgrade = Head::parse(text, text.len(), &limits).unwrap();
        let fields = [
            (&b"origin"[..], &b"https://example.com"[..]),
            (b"cookie", b"a=1"),
        ];
        let connect = Head::of_connect(Some(b"example.com"), b"/a", fields, &limits).unwrap();
        for head in [upgrade, connect] {
            let protocol = find_protocol("rfc6455").unwrap();
            let mut request = Request::read(protocol, head, true).unwrap();
            request.subprotocols = vec!["chat".into()];
            let unpacked = request.pack().unpack().unwrap();
            assert_eq!(unpacked.host, request.host);
            assert_eq!(unpacked.target, request.target);
            assert_eq!(unpacked.origin, request.origin);
            assert_eq!(unpacked.secure, request.secure);
            assert_eq!(unpacked.subprotocols, request.subprotocols);
            assert_eq!(unpacked.head.is_connect(), request.head.is_connect());
            assert_eq!(unpacked.head.has_bare_lf(), request.head.has_bare_lf());
            let fields = |request: &Request| -> Vec<_> {
                let fields = request.head.fields();
                fields
                    .map(|(name, value)| (name.to_vec(), value.to_vec()))
                    .collect()
            };
            assert_eq!(fields(&unpacked), fields(&request));
        }
    }
}
