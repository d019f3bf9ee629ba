//! The client of a request, as reported by the proxies in front.
//!
//! Of several entries, the last was written by the proxy that we know, and each earlier entry by
//! the proxy that the next entry names. So the client is the last entry that is not trusted itself,
//! or the first if all are trusted. Entries before the client's are ignored, because a stranger
//! wrote them.
//!
//! | fact | field | fallback |
//! |---|---|---|
//! | the client | `X-Forwarded-For` | `Forwarded: for`; `X-Real-IP` |
//! | the scheme | `X-Forwarded-Proto` | `Forwarded: proto` |
//! | the host | `X-Forwarded-Host`, with the port of `X-Forwarded-Port` if it has none | `Forwarded: host` |
//!
//! `Forwarded` is read only if there is no `X-Forwarded-For`: most proxies write the latter, and
//! forward a `Forwarded` field that the client has forged.

use std::net::SocketAddr;

use bytestring::ByteString;
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use polysock_protocols::http::{Head, is_host};
use polysock_protocols::{ForwardedElement, Node};

use crate::transport::{Peer, Trusted, TrustedHop};

/// The fields of a request.
pub(super) trait RequestFields {
    /// Returns the value of a field, its lines joined with commas; `None` if there is no such
    /// field.
    fn joined(&self, name: &'static str) -> Option<String>;
}

/// Returns the client of a request from this peer; `None` if the peer is not trusted.
pub(super) fn client(peer: &Peer, trusted: &Trusted, fields: &impl RequestFields) -> Option<Peer> {
    // A PROXY header may have replaced the address of a trusted peer with the client's.
    let hop = peer.extensions.get::<TrustedHop>();
    if hop.is_none() && !trusted.includes(peer.address) {
        return None;
    }
    let hop_address = hop.map_or(peer.address, |hop| hop.address);
    let told = match (fields.joined("x-forwarded-for"), fields.joined("forwarded")) {
        (None, Some(forwarded)) => by_forwarded(&forwarded, trusted),
        (chain, _) => by_fields(chain, trusted, fields),
    };
    let mut peer = peer.clone();
    peer.extensions.insert(TrustedHop {
        address: hop_address,
        host: told.host.filter(|host| is_host(host.as_bytes())),
    });
    peer.address = told.address.or(peer.address);
    peer.secure = told.secure.unwrap_or(peer.secure);
    Some(peer)
}

/// The reported facts about a client.
#[derive(Default)]
struct ReportedClient {
    address: Option<SocketAddr>,
    secure: Option<bool>,
    host: Option<ByteString>,
}

fn by_fields(
    chain: Option<String>,
    trusted: &Trusted,
    fields: &impl RequestFields,
) -> ReportedClient {
    let chain = chain.or_else(|| fields.joined("x-real-ip"));
    let nodes = Node::list(chain.as_deref().unwrap_or_default());
    let (address, depth) = walk(&nodes, trusted);
    // A list has an element for each proxy. If it is shorter, the first element applies.
    let of_client = |name| {
        let value = fields.joined(name)?;
        let mut elements = value.rsplit(',').map(str::trim);
        let element = elements.nth(depth).or_else(|| value.split(',').next());
        element.map(|element| element.trim().to_owned())
    };
    let secure = of_client("x-forwarded-proto").and_then(|proto| is_secure(&proto));
    let host = of_client("x-forwarded-host").map(|host| {
        let port = of_client("x-forwarded-port").filter(|_| !has_port(&host));
        match port.and_then(|port| port.parse::<u16>().ok()) {
            // A page does not send the default port of its scheme.
            None | Some(80 | 443) => host,
            Some(port) => format!("{host}:{port}"),
        }
    });
    ReportedClient {
        address,
        secure,
        host: host.map(ByteString::from),
    }
}

fn by_forwarded(value: &str, trusted: &Trusted) -> ReportedClient {
    let Some(elements) = ForwardedElement::list(value) else {
        return ReportedClient::default();
    };
    let nodes: Vec<_> = elements.iter().map(|element| element.node).collect();
    let (address, depth) = walk(&nodes, trusted);
    let first = elements.len().saturating_sub(depth + 1);
    // The next proxy may report a fact that one proxy leaves out.
    let mut believed = elements.iter().skip(first);
    let mut more = believed.clone();
    let proto = believed.find_map(|element| element.proto.as_deref());
    let host = more.find_map(|element| element.host.as_deref());
    ReportedClient {
        address,
        secure: proto.and_then(is_secure),
        host: host.map(ByteString::from),
    }
}

/// Returns the client, and the number of entries after it. An entry without an address ends the
/// search: the client is then the entry after it.
fn walk(nodes: &[Node], trusted: &Trusted) -> (Option<SocketAddr>, usize) {
    let mut found = (None, 0);
    for (depth, node) in nodes.iter().rev().enumerate() {
        let Node::Address(address, port) = *node else {
            return (found.0, depth);
        };
        let address = SocketAddr::new(address, port.unwrap_or_default());
        found = (Some(address), depth);
        if !trusted.includes(Some(address)) {
            break;
        }
    }
    found
}

fn is_secure(proto: &str) -> Option<bool> {
    let is = |names: [&str; 2]| names.iter().any(|name| proto.eq_ignore_ascii_case(name));
    match (is(["https", "wss"]), is(["http", "ws"])) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

fn has_port(host: &str) -> bool {
    let behind_literal = host.rsplit(']').next().unwrap_or_default();
    behind_literal.contains(':')
}

impl RequestFields for Head {
    fn joined(&self, name: &'static str) -> Option<String> {
        joined(self.values(name))
    }
}

impl RequestFields for HeaderMap {
    fn joined(&self, name: &'static str) -> Option<String> {
        joined(self.get_all(name).iter().map(HeaderValue::as_bytes))
    }
}

fn joined<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let mut values = values.map(String::from_utf8_lossy);
    let first = values.next()?.into_owned();
    Some(values.fold(first, |joined, value| joined + "," + &value))
}
