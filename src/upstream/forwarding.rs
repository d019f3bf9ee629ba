//! The fields that describe a client to an upstream.

use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use polysock_protocols::{ForwardedElement, Node};

use super::header_policy::{FieldMap, HeaderPolicy, KnownName};
use super::rewrite::Rewrite;
use super::{Captures, UpstreamError};
use crate::transport::{Peer, TrustedHop};

static X_FORWARDED_FOR: KnownName = KnownName::new("X-Forwarded-For", "x-forwarded-for");
static X_REAL_IP: KnownName = KnownName::new("X-Real-IP", "x-real-ip");
static X_FORWARDED_PROTO: KnownName = KnownName::new("X-Forwarded-Proto", "x-forwarded-proto");
static X_FORWARDED_HOST: KnownName = KnownName::new("X-Forwarded-Host", "x-forwarded-host");
static X_FORWARDED_PORT: KnownName = KnownName::new("X-Forwarded-Port", "x-forwarded-port");
static FORWARDED: KnownName = KnownName::new("Forwarded", "forwarded");

/// The settings for requests that are forwarded to an upstream, and for its answers to a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardSettings {
    /// The host in the request.
    pub host: HostSent,
    /// The fields that describe the client.
    pub style: ForwardedStyle,
    /// The changes to the fields of a request. All end-to-end fields are forwarded by default,
    /// `Cookie`, `Authorization` and `Origin` included.
    pub request: HeaderPolicy,
    /// The changes to the fields of an answer, whether it accepts or refuses.
    pub response: HeaderPolicy,
    /// The change to the path.
    pub rewrite: Rewrite,
}

/// The host in a request to an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostSent {
    /// The host in the upstream's URL.
    #[default]
    Target,
    /// The host that the client requested.
    Client,
    /// This host, regardless of the client's.
    Named(ByteString),
}

/// The fields that describe a client to an upstream. Such fields from an untrusted client are
/// dropped. Fields from a trusted proxy are kept, and the address of the proxy is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedStyle {
    /// `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `X-Real-IP`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// Both.
    Both,
    /// No fields.
    None,
}

/// A client and its request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestOrigin<'a> {
    /// The client.
    pub(crate) peer: &'a Peer,
    /// Whether the client's page uses `https` or `wss`.
    pub(crate) secure: bool,
    /// The host that the client requested.
    pub(crate) host: Option<&'a str>,
}

impl ForwardSettings {
    /// Turns the end-to-end fields of a request into those for an upstream.
    pub(crate) fn rewrite_fields(&self, fields: &mut impl FieldMap, asking: RequestOrigin<'_>) {
        let hop = asking.peer.extensions.get::<TrustedHop>();
        let mut chain = hop.map_or_else(Chain::default, |_| Chain::read(fields));
        if let (Some(hop), Some(client), true) = (hop, asking.peer.address, chain.nodes.is_empty())
            && hop.address != Some(client)
        {
            // The client is known from the PROXY protocol instead of a field.
            chain.nodes.push(client.ip().into());
        }
        let is_kept = hop.is_some() && self.style != ForwardedStyle::None;
        fields.remove_all(&|name| is_of_forwarding(name, is_kept));
        let last = hop.map_or(asking.peer.address, |hop| hop.address);
        let last = last.map(|address| Node::from(address.ip()));
        let mut values = Values::default();
        if matches!(
            self.style,
            ForwardedStyle::XForwarded | ForwardedStyle::Both
        ) {
            for node in chain.nodes.iter().copied().chain(last) {
                values.separate(", ");
                values.put_node(node);
            }
            if !values.is_empty() {
                fields.add_known(&X_FORWARDED_FOR, values.take());
            }
            if let Some(address) = asking.peer.address {
                values.put_node(address.ip().into());
                fields.add_known(&X_REAL_IP, values.take());
            }
            let proto = Bytes::from_static(asking.proto().as_bytes());
            fields.add_known(&X_FORWARDED_PROTO, proto);
            if let Some(host) = asking.host {
                values.put(host);
                fields.add_known(&X_FORWARDED_HOST, values.take());
                values.put(asking.port(host));
                fields.add_known(&X_FORWARDED_PORT, values.take());
            }
        }
        if matches!(self.style, ForwardedStyle::Forwarded | ForwardedStyle::Both) {
            for element in chain.as_elements() {
                values.put(&element);
                values.put(", ");
            }
            values.put("for=");
            values.put(&last.unwrap_or_default().quoted());
            if let Some(host) = asking.host {
                values.put(";host=");
                values.put(&quoted(host));
            }
            values.put(";proto=");
            values.put(asking.proto());
            fields.add_known(&FORWARDED, values.take());
        }
        self.request.apply(fields, Some(asking.peer));
    }

    /// Returns the host for a request to an upstream whose URL has the host `target`.
    pub(crate) fn host(&self, client: Option<&ByteString>, target: &ByteString) -> ByteString {
        match &self.host {
            HostSent::Target => target.clone(),
            HostSent::Client => client.unwrap_or(target).clone(),
            HostSent::Named(host) => host.clone(),
        }
    }

    /// Returns the rewritten target, before it is joined with path and query of the upstream's URL.
    pub(crate) fn target(
        &self,
        target: &ByteString,
        peer: &Peer,
    ) -> Result<ByteString, UpstreamError> {
        self.rewrite
            .apply(target, peer.extensions.get::<Captures>())
    }
}

impl RequestOrigin<'_> {
    fn proto(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// Returns the port of a host, or the default port of the scheme.
    fn port<'a>(&self, host: &'a str) -> &'a str {
        let behind_literal = host.rsplit(']').next().unwrap_or_default();
        let port = behind_literal.rsplit_once(':').map(|(_, port)| port);
        let default = if self.secure { "443" } else { "80" };
        port.filter(|port| !port.is_empty()).unwrap_or(default)
    }
}

/// The client of the trusted proxy in front, and the proxies between them, as far as they are
/// known.
#[derive(Default)]
struct Chain {
    nodes: Vec<Node>,
    /// The unchanged value of `Forwarded`, if the chain was read from it.
    elements: Option<String>,
}

impl Chain {
    /// Reads the chain from the fields that also named the client's address on arrival.
    fn read(fields: &impl FieldMap) -> Self {
        let told = ["x-forwarded-for", "forwarded"].map(|name| fields.joined(name));
        if let [None, Some(value)] = told {
            let Some(elements) = ForwardedElement::list(&value) else {
                return Self::default();
            };
            return Self {
                nodes: elements.iter().map(|element| element.node).collect(),
                elements: Some(value),
            };
        }
        let [list, _] = told;
        let list = list.or_else(|| fields.joined("x-real-ip"));
        Self {
            nodes: Node::list(&list.unwrap_or_default()),
            elements: None,
        }
    }

    fn as_elements(&self) -> Vec<String> {
        match &self.elements {
            Some(elements) => vec![elements.clone()],
            None => {
                let nodes = self.nodes.iter();
                nodes.map(|node| format!("for={}", node.quoted())).collect()
            }
        }
    }
}

/// A buffer for field values, which share its memory.
struct Values(BytesMut);

impl Default for Values {
    fn default() -> Self {
        Self(BytesMut::with_capacity(128))
    }
}

impl Values {
    /// Returns the value that has been written.
    fn take(&mut self) -> Bytes {
        self.0.split().freeze()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, part: &str) {
        self.0.extend_from_slice(part.as_bytes());
    }

    fn separate(&mut self, separator: &str) {
        if !self.is_empty() {
            self.put(separator);
        }
    }

    fn put_node(&mut self, node: Node) {
        let Node::Address(IpAddr::V4(address), None) = node else {
            return self.put(&node.to_string());
        };
        // `Display` would take half of the time of the whole.
        let [a, b, c, d] = address.octets();
        for (octet, end) in [(a, "."), (b, "."), (c, "."), (d, "")] {
            self.put(itoa::Buffer::new().format(octet));
            self.put(end);
        }
    }
}

/// True if a field describes the client. A `_` counts as `-`, as in servers that turn fields into
/// variables (RFC 3875 §4.1.18). With `is_kept`, `X-Forwarded-*` fields that Polysock does not
/// rewrite are not included.
pub(super) fn is_of_forwarding(name: &str, is_kept: bool) -> bool {
    // The first letter excludes most fields.
    if !name.starts_with(['x', 'X', 'f', 'F']) {
        return false;
    }
    let is_plain = !name.contains('_');
    let name = name.replace('_', "-").to_ascii_lowercase();
    match name.strip_prefix("x-forwarded-") {
        Some("for" | "proto" | "host" | "port") => true,
        Some(_) => !(is_kept && is_plain),
        None => matches!(&*name, "forwarded" | "x-real-ip"),
    }
}

/// Returns a host as the value of a parameter (RFC 7239 §5.3): quoted unless it is a token.
fn quoted(host: &str) -> String {
    if polysock_protocols::http::is_token(host) {
        host.to_owned()
    } else {
        format!("\"{host}\"")
    }
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use polysock_protocols::Fields;

    use super::*;

    /// Returns a client, and the trusted proxy that it came through, if any.
    fn peer(address: Option<&str>, hop: Option<Option<&str>>) -> Peer {
        let read = |text: &str| text.parse().unwrap();
        let mut peer = Peer {
            address: address.map(read),
            ..Peer::default()
        };
        if let Some(hop) = hop {
            peer.extensions.insert(TrustedHop {
                address: hop.map(read),
                host: None,
            });
        }
        peer
    }

    /// Returns all fields that describe the client to an upstream, in their order.
    #[track_caller]
    fn told(style: ForwardedStyle, peer: &Peer, came: &[(&'static str, &'static str)]) -> String {
        let settings = ForwardSettings {
            style,
            ..ForwardSettings::default()
        };
        let asking = RequestOrigin {
            peer,
            secure: true,
            host: Some("page.example:8443"),
        };
        let mut fields: Fields = came.iter().copied().collect();
        settings.rewrite_fields(&mut fields, asking);
        let mut map = HeaderMap::new();
        for (name, value) in came {
            map.add(name, Bytes::from_static(value.as_bytes()));
        }
        settings.rewrite_fields(&mut map, asking);
        for (name, _) in fields.iter() {
            assert_eq!(fields.joined(name), map.joined(name), "{name}");
        }
        assert_eq!(fields.iter().count(), map.len());
        let short = |name: &str| name.to_ascii_lowercase().replace("x-forwarded-", "");
        let lines = fields
            .iter()
            .map(|(name, value)| format!("{}: {}", short(name), String::from_utf8_lossy(value)));
        lines.collect::<Vec<_>>().join(" | ")
    }

    const END: &str = "proto: https | host: page.example:8443 | port: 8443";

    const SPOOFED: &[(&str, &str)] = &[
        ("X-Forwarded-For", "192.0.2.66"),
        ("x_forwarded_for", "192.0.2.66"),
        ("forwarded", "for=192.0.2.66"),
        ("X-Real-IP", "192.0.2.66"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Forwarded-Proto", "http"),
        ("Cookie", "a=1"),
    ];

    #[test]
    fn forwarding_fields_of_an_untrusted_client_are_dropped() {
        let client = peer(Some("203.0.113.7:1"), None);
        for (style, expected) in [
            (
                ForwardedStyle::XForwarded,
                format!("cookie: a=1 | for: 203.0.113.7 | x-real-ip: 203.0.113.7 | {END}"),
            ),
            (
                ForwardedStyle::Forwarded,
                "cookie: a=1 | forwarded: for=203.0.113.7;host=\"page.example:8443\";proto=https"
                    .to_owned(),
            ),
            (ForwardedStyle::None, "cookie: a=1".to_owned()),
        ] {
            assert_eq!(told(style, &client, SPOOFED), expected);
        }
        let nobody = told(ForwardedStyle::Both, &peer(None, None), &[]);
        let forwarded = "for=unknown;host=\"page.example:8443\";proto=https";
        assert_eq!(nobody, format!("{END} | forwarded: {forwarded}"));
    }

    #[test]
    fn the_hops_of_a_trusted_proxy_are_kept_and_the_proxy_is_appended() {
        let hop = Some(Some("[2001:db8::1]:1"));
        let client = peer(Some("203.0.113.7:0"), hop);
        let own = "host=\"page.example:8443\";proto=https";
        let list = "192.0.2.66, 203.0.113.7";
        let elements = "for=192.0.2.66;proto=http, for=203.0.113.7";
        for (style, came, expected) in [
            (
                ForwardedStyle::XForwarded,
                &[
                    ("X-Forwarded-For", "192.0.2.66"),
                    ("x-forwarded-for", "203.0.113.7"),
                ][..],
                format!("for: {list}, 2001:db8::1 | x-real-ip: 203.0.113.7 | {END}"),
            ),
            (
                ForwardedStyle::XForwarded,
                &[("Forwarded", elements)],
                format!("for: {list}, 2001:db8::1 | x-real-ip: 203.0.113.7 | {END}"),
            ),
            (
                ForwardedStyle::XForwarded,
                &[("X-Real-IP", "203.0.113.7"), ("X-Forwarded-Prefix", "/a")],
                format!(
                    "prefix: /a | for: 203.0.113.7, 2001:db8::1 | x-real-ip: 203.0.113.7 | {END}"
                ),
            ),
            (
                ForwardedStyle::Forwarded,
                &[("Forwarded", elements)],
                format!("forwarded: {elements}, for=\"[2001:db8::1]\";{own}"),
            ),
            (
                ForwardedStyle::Forwarded,
                &[
                    ("X-Forwarded-For", "2001:db8::7, 203.0.113.7:4711"),
                    ("Forwarded", "for=x"),
                ],
                format!(
                    "forwarded: for=\"[2001:db8::7]\", for=\"203.0.113.7:4711\", \
                     for=\"[2001:db8::1]\";{own}"
                ),
            ),
            (
                ForwardedStyle::None,
                &[("X-Forwarded-For", "a")],
                String::new(),
            ),
        ] {
            assert_eq!(told(style, &client, came), expected, "{came:?}");
        }
        let said = told(ForwardedStyle::XForwarded, &client, &[]);
        assert_eq!(
            said,
            format!("for: 203.0.113.7, 2001:db8::1 | x-real-ip: 203.0.113.7 | {END}")
        );
        // A proxy on a Unix socket has no address.
        let client = peer(Some("203.0.113.7:0"), Some(None));
        let said = told(
            ForwardedStyle::XForwarded,
            &client,
            &[("X-Forwarded-For", "203.0.113.7")],
        );
        assert_eq!(
            said,
            format!("for: 203.0.113.7 | x-real-ip: 203.0.113.7 | {END}")
        );
    }

    #[test]
    fn header_rules_override_forwarding_fields() {
        let mut settings = ForwardSettings::default();
        settings.request.drop("X-Forwarded-Host").unwrap();
        settings.request.set("X-Forwarded-For", "hidden").unwrap();
        let asking = RequestOrigin {
            peer: &peer(Some("203.0.113.7:1"), None),
            secure: false,
            host: Some("[::1]"),
        };
        let mut fields = Fields::new();
        settings.rewrite_fields(&mut fields, asking);
        assert!(!fields.has("X-Forwarded-Host"));
        assert_eq!(fields.value("X-Forwarded-For"), Some(&b"hidden"[..]));
        assert_eq!(fields.value("X-Forwarded-Port"), Some(&b"80"[..]));
    }
}
