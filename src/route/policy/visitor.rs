//! A client and its request, as a policy sees them.

use std::borrow::Cow;

use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Method, Uri};
use percent_encoding::percent_decode_str;
use polysock_protocols::Request;

use crate::http::cookies;
use crate::transport::Peer;
use crate::upstream::query_values;

/// A client and its request: an opening handshake of any protocol, or an ordinary request.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    peer: &'a Peer,
    asked: Asked<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Asked<'a> {
    Handshake(&'a Request),
    Ordinary {
        method: &'a Method,
        uri: &'a Uri,
        headers: &'a HeaderMap,
    },
}

impl<'a> Visitor<'a> {
    /// Describes a client that sends an opening handshake.
    pub fn of_handshake(request: &'a Request, peer: &'a Peer) -> Self {
        Self {
            peer,
            asked: Asked::Handshake(request),
        }
    }

    /// Describes a client that sends an ordinary request.
    pub fn of_request<B>(request: &'a hyper::Request<B>, peer: &'a Peer) -> Self {
        Self {
            peer,
            asked: Asked::Ordinary {
                method: request.method(),
                uri: request.uri(),
                headers: request.headers(),
            },
        }
    }

    /// The client's address, and everything else known about the client.
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }

    /// The opening handshake; `None` for an ordinary request.
    pub fn handshake(&self) -> Option<&'a Request> {
        match self.asked {
            Asked::Handshake(request) => Some(request),
            Asked::Ordinary { .. } => None,
        }
    }

    /// The method; always `GET` for an opening handshake, also for an extended CONNECT.
    pub fn method(&self) -> &'a str {
        match self.asked {
            Asked::Handshake(_) => "GET",
            Asked::Ordinary { method, .. } => method.as_str(),
        }
    }

    /// True if the client sees `https` or `wss`.
    pub fn is_secure(&self) -> bool {
        match self.asked {
            Asked::Handshake(request) => request.secure,
            Asked::Ordinary { .. } => self.peer.secure,
        }
    }

    /// The requested host, unchanged; `None` if the request names none or it is not UTF-8.
    pub fn host(&self) -> Option<&'a str> {
        match self.asked {
            Asked::Handshake(request) => Some(&request.host),
            // RFC 9112 §3.2.2: the authority of an absolute-form target overrides the `Host` field.
            Asked::Ordinary { uri, headers, .. } => match uri.authority() {
                Some(authority) => Some(authority.as_str()),
                None => text(headers.get(HOST).map(HeaderValue::as_bytes)),
            },
        }
    }

    /// The requested path and query, unchanged.
    pub fn target(&self) -> &'a str {
        match self.asked {
            Asked::Handshake(request) => &request.target,
            Asked::Ordinary { uri, .. } => uri.path_and_query().map_or("/", |path| path.as_str()),
        }
    }

    /// The origin of the page, from the field that the protocol uses for it; `None` if there is
    /// none.
    pub fn origin(&self) -> Option<&'a str> {
        match self.asked {
            Asked::Handshake(request) => request.origin.as_deref(),
            Asked::Ordinary { .. } => text(self.values("origin").first().copied()),
        }
    }

    /// Returns the values of the fields with this name, which is case-insensitive.
    pub fn values(&self, name: &str) -> Vec<&'a [u8]> {
        match self.asked {
            Asked::Handshake(request) => {
                let fields = request.head.fields();
                let name = name.as_bytes();
                let named = fields.filter(|(other, _)| other.eq_ignore_ascii_case(name));
                named.map(|(_, value)| value).collect()
            }
            Asked::Ordinary { headers, .. } => {
                let values = headers.get_all(name).iter();
                values.map(HeaderValue::as_bytes).collect()
            }
        }
    }

    /// Returns the values of the cookies with this name (RFC 6265 §4.2.1), without quotation marks
    /// around them.
    pub fn cookies(&self, name: &str) -> Vec<&'a [u8]> {
        let values = cookies(self.values("cookie"), name.as_bytes());
        let unquoted = values.map(|value| {
            let value = value.trim_ascii_end();
            let unquoted = value.strip_prefix(b"\"");
            let unquoted = unquoted.and_then(|value| value.strip_suffix(b"\""));
            unquoted.unwrap_or(value)
        });
        unquoted.collect()
    }

    /// Returns the values of a query parameter, percent-decoded. `+` is not decoded.
    pub fn parameters(&self, name: &str) -> Vec<Cow<'a, [u8]>> {
        query_values(self.target(), name)
            .map(|value| percent_decode_str(value).into())
            .collect()
    }

    /// Returns the subprotocols that an opening handshake offers, including those that the site
    /// does not speak.
    pub fn offered_subprotocols(&self) -> Vec<&'a str> {
        let Asked::Handshake(request) = self.asked else {
            return Vec::new();
        };
        let names = ["sec-websocket-protocol", "websocket-protocol"];
        let offered = names
            .into_iter()
            .flat_map(|name| request.head.list(name))
            .filter_map(|offered| std::str::from_utf8(offered).ok());
        offered.collect()
    }
}

fn text(bytes: Option<&[u8]>) -> Option<&str> {
    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_values_of_repeated_parameters_and_cookies_are_found() {
        let request = hyper::Request::get("/a?t=1&x&t=%32+&T=3&%74=4")
            .header("cookie", "a=1; b=\"2\"; a=\"3; a")
            .header("cookie", "a=")
            .body(())
            .unwrap();
        let peer = Peer::default();
        let visitor = Visitor::of_request(&request, &peer);
        assert_eq!(visitor.parameters("t"), [&b"1"[..], b"2+", b"4"]);
        assert_eq!(visitor.cookies("a"), [&b"1"[..], b"\"3", b""]);
        assert_eq!(visitor.cookies("b"), [b"2"]);
        assert_eq!(visitor.offered_subprotocols(), [""; 0]);
    }
}
