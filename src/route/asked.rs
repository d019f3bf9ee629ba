//! What is asked of a port, and for which route.

use bytestring::ByteString;
use hyper::header::{HeaderMap, HeaderValue};
use polysock_protocols::http::Head;
use polysock_protocols::{Protocol, Recognised};

use super::Origins;
use super::origins::Destination;

/// What a route is chosen by, as soon as the head of a request is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The host that is asked for, as it came.
    pub(super) host: Option<&'a [u8]>,
    /// Without its query.
    pub(super) path: &'a [u8],
    /// The protocol of an opening handshake; `None` for an ordinary request.
    pub(super) protocol: Option<&'static dyn Protocol>,
    /// Whether its page sees `https://` or `wss://`.
    secure: bool,
    fields: Fields<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Fields<'a> {
    Head(&'a Head),
    Map(&'a HeaderMap),
}

impl<'a> Asked<'a> {
    /// An opening handshake.
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

    /// An ordinary request.
    pub(crate) fn request<B>(request: &'a hyper::Request<B>, secure: bool) -> Self {
        let fields = request.headers();
        let authority = request.uri().authority();
        let authority = authority.map(|host| host.as_str().as_bytes());
        let host = || fields.get("host").map(HeaderValue::as_bytes);
        Self {
            // RFC 9112 §3.2.2: the authority of a target counts for more than the field.
            host: authority.or_else(host),
            path: request.uri().path().as_bytes(),
            protocol: None,
            secure,
            fields: Fields::Map(fields),
        }
    }

    /// The same for another host, where one is given.
    pub(crate) fn for_host(self, host: Option<&'a ByteString>) -> Self {
        let host = host.map(|host| host.as_bytes().as_ref());
        Self {
            host: host.or(self.host),
            ..self
        }
    }

    /// Whether the page that asks is one of these.
    pub(super) fn is_from(&self, origins: &Origins) -> bool {
        let host = self.host.and_then(|host| std::str::from_utf8(host).ok());
        let destination = Destination {
            host: host.unwrap_or_default(),
            secure: self.secure,
        };
        origins.include(self.origin(), destination)
    }

    /// The origin of the page that asks.
    fn origin(&self) -> Option<&'a str> {
        let value = match self.fields {
            Fields::Head(head) => {
                // It has this name in hybi-04 to hybi-10 alone, and what stands there counts for more.
                let early = head.value("sec-websocket-origin");
                let early = early.filter(|_| self.is_early());
                early.or_else(|| head.value("origin"))
            }
            Fields::Map(map) => map.get("origin").map(HeaderValue::as_bytes),
        };
        value.and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Whether it is an opening handshake of hybi-04 to hybi-10.
    fn is_early(&self) -> bool {
        let version = self.protocol.and_then(Protocol::version);
        version.is_some_and(|version| (4..=8).contains(&version))
    }

    /// Whether this subprotocol is among those that an opening handshake offers.
    pub(super) fn offers(&self, subprotocol: &str) -> bool {
        let Fields::Head(head) = self.fields else {
            return false;
        };
        let names = ["sec-websocket-protocol", "websocket-protocol"];
        let mut offered = names.into_iter().flat_map(|name| head.list(name));
        offered.any(|offered| offered == subprotocol.as_bytes())
    }
}
