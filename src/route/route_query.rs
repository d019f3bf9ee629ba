//! The parts of a request by which a route is chosen.

use bytestring::ByteString;
use hyper::header::{HeaderMap, HeaderValue};
use polysock_protocols::http::Head;
use polysock_protocols::{Protocol, Recognised};

use super::Origins;
use super::origins::Destination;

/// The parts of a request by which a route is chosen. They are known as soon as its head is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RouteQuery<'a> {
    /// The requested host, unchanged; `None` if the request names none.
    pub(super) host: Option<&'a [u8]>,
    /// The path without the query.
    pub(super) path: &'a [u8],
    /// The protocol of an opening handshake; `None` for an ordinary request.
    pub(super) protocol: Option<&'static dyn Protocol>,
    /// True if the client sees `https://` or `wss://`.
    secure: bool,
    fields: Fields<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Fields<'a> {
    Head(&'a Head),
    Map(&'a HeaderMap),
}

impl<'a> RouteQuery<'a> {
    /// Describes an opening handshake.
    pub(crate) fn handshake(recognised: &'a Recognised, secure: bool) -> Self {
        let head = &recognised.head;
        Self {
            host: head.value("host"),
            path: head.path(),
            protocol: Some(recognised.protocol),
            secure,
            fields: Fields::Head(head),
        }
    }

    /// Describes an ordinary request.
    pub(crate) fn request<B>(request: &'a hyper::Request<B>, secure: bool) -> Self {
        let fields = request.headers();
        let authority = request.uri().authority();
        let authority = authority.map(|host| host.as_str().as_bytes());
        let host = || fields.get("host").map(HeaderValue::as_bytes);
        Self {
            // RFC 9112 §3.2.2: the authority of an absolute-form target overrides the `Host` field.
            host: authority.or_else(host),
            path: request.uri().path().as_bytes(),
            protocol: None,
            secure,
            fields: Fields::Map(fields),
        }
    }

    /// Replaces the host, if one is given.
    pub(crate) fn for_host(self, host: Option<&'a ByteString>) -> Self {
        let host = host.map(|host| host.as_bytes().as_ref());
        Self {
            host: host.or(self.host),
            ..self
        }
    }

    /// True if the origin of the request is one of these.
    pub(super) fn is_from(&self, origins: &Origins) -> bool {
        let host = self.host.and_then(|host| std::str::from_utf8(host).ok());
        let destination = Destination {
            host: host.unwrap_or_default(),
            secure: self.secure,
        };
        origins.include(self.origin(), destination)
    }

    /// The origin of the page; `None` if the request has none or it is not UTF-8.
    fn origin(&self) -> Option<&'a str> {
        let value = match self.fields {
            Fields::Head(head) => {
                // Only hybi-04 to hybi-10 use this name. There it takes precedence over `Origin`.
                let early = head.value("sec-websocket-origin");
                let early = early.filter(|_| self.is_early());
                early.or_else(|| head.value("origin"))
            }
            Fields::Map(map) => map.get("origin").map(HeaderValue::as_bytes),
        };
        value.and_then(|value| std::str::from_utf8(value).ok())
    }

    /// True for an opening handshake of hybi-04 to hybi-10.
    fn is_early(&self) -> bool {
        let version = self.protocol.and_then(Protocol::version);
        version.is_some_and(|version| (4..=8).contains(&version))
    }

    /// True if an opening handshake offers this subprotocol.
    pub(super) fn offers(&self, subprotocol: &str) -> bool {
        let Fields::Head(head) = self.fields else {
            return false;
        };
        let names = ["sec-websocket-protocol", "websocket-protocol"];
        let mut offered = names.into_iter().flat_map(|name| head.list(name));
        offered.any(|offered| offered == subprotocol.as_bytes())
    }
}
