//! Fields in which proxies name their clients: `Forwarded` (RFC 7239) and `X-Forwarded-For`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use nom::branch::alt;
use nom::bytes::complete::{escaped, take_while1};
use nom::character::complete::{char, one_of, space0};
use nom::combinator::{all_consuming, opt, recognize};
use nom::multi::separated_list1;
use nom::sequence::{delimited, separated_pair};
use nom::{IResult, Parser};

use crate::http::is_token_byte;

/// An element of `Forwarded`: a proxy's description of the request that it received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardedElement {
    /// The client of the proxy.
    pub node: Node,
    /// The requested host; `None` if not given.
    pub host: Option<String>,
    /// The scheme of the request, in lower case; `None` if not given.
    pub proto: Option<String>,
}

/// The client of a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Node {
    /// The proxy does not know or does not disclose it (RFC 7239 §6.2 and §6.3).
    #[default]
    Unknown,
    /// An address, and its port if that is given.
    Address(IpAddr, Option<u16>),
}

impl ForwardedElement {
    /// Parses the value of `Forwarded` fields, several of them joined by commas. The elements are
    /// in the order of the proxies, with the client's first. `None` if the value breaks the grammar
    /// of RFC 7239 §4.
    pub fn list(value: &str) -> Option<Vec<Self>> {
        let comma = delimited(space, char(','), space);
        let elements = separated_list1(comma, element);
        let mut whole = all_consuming(delimited(space, elements, space));
        let (_, elements) = whole.parse(value).ok()?;
        Some(elements)
    }
}

impl Node {
    /// Parses an element of `X-Forwarded-For`, or the `for` of a `Forwarded`: an address with or
    /// without a port. An IPv6 address with a port is in brackets. Anything else is `Unknown`.
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Self::Address(address.ip().to_canonical(), Some(address.port()));
        }
        let address = match text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
        {
            Some(literal) => literal.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            None => text.parse().ok(),
        };
        address.map_or(Self::Unknown, |address| {
            Self::Address(address.to_canonical(), None)
        })
    }

    /// Parses the value of `X-Forwarded-For` fields, several of them joined by commas. The elements
    /// are in the order of the proxies, with the client first.
    pub fn list(value: &str) -> Vec<Self> {
        let elements = value.split(',').map(str::trim);
        let elements = elements.filter(|element| !element.is_empty());
        elements.map(Self::read).collect()
    }

    /// Returns the node as written in `Forwarded` (RFC 7239 §6): quoted if it is not a token.
    pub fn quoted(self) -> String {
        match self {
            Self::Address(IpAddr::V6(address), None) => format!("\"[{address}]\""),
            Self::Address(_, Some(_)) => format!("\"{self}\""),
            Self::Address(IpAddr::V4(_), None) | Self::Unknown => self.to_string(),
        }
    }
}

/// Writes the node as in `X-Forwarded-For`.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unknown => f.write_str("unknown"),
            Self::Address(address, None) => address.fmt(f),
            Self::Address(address, Some(port)) => SocketAddr::new(address, port).fmt(f),
        }
    }
}

/// Converts an address without a port.
impl From<IpAddr> for Node {
    fn from(address: IpAddr) -> Self {
        Self::Address(address.to_canonical(), None)
    }
}

/// Parses an element: pairs separated by semicolons, any of which may be missing.
fn element(input: &str) -> IResult<&str, ForwardedElement> {
    let semicolon = delimited(space, char(';'), space);
    let (input, pairs) = separated_list1(semicolon, opt(pair)).parse(input)?;
    let mut element = ForwardedElement::default();
    for (name, value) in pairs.into_iter().flatten() {
        match &*name.to_ascii_lowercase() {
            "for" => element.node = Node::read(&value),
            "host" => element.host = Some(value),
            "proto" => element.proto = Some(value.to_ascii_lowercase()),
            _ => {}
        }
    }
    Ok((input, element))
}

fn pair(input: &str) -> IResult<&str, (&str, String)> {
    separated_pair(token, char('='), alt((quoted, unquoted))).parse(input)
}

fn token(input: &str) -> IResult<&str, &str> {
    take_while1(|c: char| u8::try_from(c).is_ok_and(is_token_byte)).parse(input)
}

/// Parses a token, or an address or host that proxies write unquoted in spite of the grammar.
fn unquoted(input: &str) -> IResult<&str, String> {
    let is_written = |c: char| u8::try_from(c).is_ok_and(is_token_byte) || ":[]".contains(c);
    let (input, value) = take_while1(is_written).parse(input)?;
    Ok((input, value.to_owned()))
}

/// Parses a quoted string (RFC 9110 §5.6.4).
fn quoted(input: &str) -> IResult<&str, String> {
    let plain = take_while1(|c: char| c != '"' && c != '\\' && (c == '\t' || !c.is_control()));
    let inside = escaped(
        plain,
        '\\',
        one_of(
            "\t !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\
        0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        ),
    );
    let (input, value) = delimited(char('"'), opt(recognize(inside)), char('"')).parse(input)?;
    let mut text = String::new();
    let mut characters = value.unwrap_or_default().chars();
    while let Some(character) = characters.next() {
        let escaped = (character == '\\').then(|| characters.next()).flatten();
        text.push(escaped.unwrap_or(character));
    }
    Ok((input, text))
}

fn space(input: &str) -> IResult<&str, &str> {
    space0(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_address_however_it_is_written() {
        for (text, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            (" 203.0.113.7:4711", "203.0.113.7:4711"),
            ("2001:DB8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:4711", "[2001:db8::7]:4711"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[203.0.113.7]", "unknown"),
            ("203.0.113.7:x", "unknown"),
            ("unknown", "unknown"),
            ("_hidden", "unknown"),
            ("a.example", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(Node::read(text).to_string(), expected, "{text}");
        }
        assert_eq!(Node::list("1.2.3.4,, x , ::1").len(), 3);
    }

    #[test]
    fn reads_the_elements_of_a_forwarded_field() {
        let shown = |value: &str| {
            let elements = ForwardedElement::list(value)?;
            let shown = elements.iter().map(|element| {
                let ForwardedElement { node, host, proto } = element;
                let host = host.as_deref().unwrap_or("-");
                format!("{node} {host} {}", proto.as_deref().unwrap_or("-"))
            });
            Some(shown.collect::<Vec<_>>().join(", "))
        };
        for (value, expected) in [
            // The examples of RFC 7239 §4.
            ("for=\"_gazonk\"", "unknown - -"),
            (
                "For=\"[2001:db8:cafe::17]:4711\"",
                "[2001:db8:cafe::17]:4711 - -",
            ),
            (
                "for=192.0.2.60;proto=http;by=203.0.113.43",
                "192.0.2.60 - http",
            ),
            (
                "for=192.0.2.43, for=198.51.100.17",
                "192.0.2.43 - -, 198.51.100.17 - -",
            ),
            (
                "for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown",
                "192.0.2.43 - -, 2001:db8:cafe::17 - -, unknown - -",
            ),
            (
                "proto=HTTPS ; host=\"a.example:8443\";;",
                "unknown a.example:8443 https",
            ),
            ("for=1.2.3.4:5;host=\"a\\\"b,c\"", "1.2.3.4:5 a\"b,c -"),
            ("host=\"\"", "unknown  -"),
        ] {
            assert_eq!(shown(value).as_deref(), Some(expected), "{value}");
        }
        for broken in [
            "for",
            "for=",
            "for=\"a",
            "for=a b",
            "=a",
            "for=a\"b\"",
            "for=\"\\\u{1}\"",
        ] {
            assert_eq!(shown(broken), None, "{broken}");
        }
    }

    #[test]
    fn an_address_is_quoted_where_it_is_no_token() {
        for (text, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:1", "\"203.0.113.7:1\""),
            ("2001:db8::7", "\"[2001:db8::7]\""),
            ("[2001:db8::7]:1", "\"[2001:db8::7]:1\""),
            ("nobody", "unknown"),
        ] {
            let quoted = Node::read(text).quoted();
            assert_eq!(quoted, expected);
            let element = ForwardedElement::list(&format!("for={quoted}")).unwrap();
            assert_eq!(element[0].node, Node::read(text));
        }
    }
}
