//! Where the URL of a server points.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytestring::ByteString;
use percent_encoding::percent_decode_str;
use polysock_protocols::hide_secrets;
use url::{ParseError, Position, Url};

use super::UrlError;

/// Where the URL of a server points: read once, by the rules for `ws://` or `wss://`, whatever its scheme.
#[derive(Debug)]
pub(super) struct Location {
    url: Url,
    /// Also where it is the scheme's own, which the parser leaves out.
    port: Option<u16>,
}

impl Location {
    /// Reads what stands behind `://` in a URL whose scheme says that TLS is spoken, or not.
    ///
    /// # Errors
    ///
    /// The URL has a fragment, a blank or a control character, or its host or port is none.
    pub(super) fn read(url: &str, rest: &str, is_tls: bool) -> Result<Self, UrlError> {
        let error = |problem| Err(problem_of(url, problem));
        // The parser leaves such out, or takes them for a slash.
        if rest.contains(|c: char| c == ' ' || c == '\\' || c.is_ascii_control()) {
            return error(
                "a URL has no blanks, backslashes and control characters: write %20 and the like",
            );
        }
        if rest.contains('#') {
            return error(
                "a WebSocket URL has no fragment (RFC 6455 §3): leave it out, or write %23",
            );
        }
        // The parser looks for the host behind further slashes.
        if rest.starts_with('/') {
            return error(NO_HOST);
        }
        let scheme = if is_tls { "wss" } else { "ws" };
        let parsed = match Url::parse(&format!("{scheme}://{rest}")) {
            Ok(parsed) => parsed,
            Err(ParseError::EmptyHost) => return error(NO_HOST),
            Err(ParseError::InvalidPort) => return error("the port is not a number up to 65535"),
            Err(ParseError::InvalidIpv6Address) => {
                return error("what stands in brackets is no IPv6 address");
            }
            Err(_) => return error("what stands for the host is none"),
        };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let written = authority.rsplit_once(':');
        let written = written.and_then(|(_, port)| port.parse().ok());
        let location = Self {
            port: parsed.port().or(written),
            url: parsed,
        };
        if location.port == Some(0) {
            return error("there is no port 0");
        }
        Ok(location)
    }

    /// Whether TLS is spoken there.
    pub(super) fn is_tls(&self) -> bool {
        self.url.scheme() == "wss"
    }

    /// The host: a name, or an address, of IPv6 in brackets.
    pub(super) fn name(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The port, where there is one.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    /// `HOST:PORT`, to connect to.
    pub(super) fn address(&self) -> String {
        let port = self.port.or(self.url.port_or_known_default());
        format!("{}:{}", self.name(), port.unwrap_or_default())
    }

    /// What the `Host` field says: without the port of the scheme.
    pub(super) fn host(&self) -> ByteString {
        let authority = &self.url[Position::BeforeHost..Position::AfterPort];
        authority.into()
    }

    /// Path and query, with what is not ASCII escaped; `None` where there is neither.
    pub(super) fn target(&self) -> Option<ByteString> {
        let target = &self.url[Position::BeforePath..Position::AfterQuery];
        (target != "/").then(|| target.into())
    }

    /// Whether there is user information.
    pub(super) fn has_user(&self) -> bool {
        !self.url.username().is_empty() || self.url.password().is_some()
    }

    /// The value of the `Authorization` field that the user information makes (RFC 7617 §2).
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn authorization(&self) -> Result<Option<String>, &'static str> {
        if !self.has_user() {
            return Ok(None);
        }
        let mut credentials: Vec<u8> = percent_decode_str(self.url.username()).collect();
        if credentials.contains(&b':') {
            return Err("a user name has no colon (RFC 7617 §2)");
        }
        credentials.push(b':');
        credentials.extend(percent_decode_str(self.url.password().unwrap_or_default()));
        Ok(Some(format!("Basic {}", STANDARD.encode(credentials))))
    }
}

const NO_HOST: &str = "the host is missing: write ws://HOST:PORT/PATH";

/// A URL, its secrets hidden, and what is wrong with it.
pub(super) fn problem_of(url: &str, problem: &'static str) -> UrlError {
    UrlError::Address {
        url: hide_secrets(url).into_owned(),
        problem,
    }
}

/// What stands behind a scheme, whatever its case (RFC 3986 §3.1).
pub(super) fn behind<'a>(scheme: &str, url: &'a str) -> Option<&'a str> {
    let (start, rest) = url.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_the_scheme_is_dialled_and_not_named() {
        for (rest, is_tls, address, host) in [
            ("a.example", false, "a.example:80", "a.example"),
            ("a.example:80/x", false, "a.example:80", "a.example"),
            ("a.example:443", false, "a.example:443", "a.example:443"),
            ("a.example", true, "a.example:443", "a.example"),
            ("a.example:443/x", true, "a.example:443", "a.example"),
            ("a.example:80", true, "a.example:80", "a.example:80"),
            (
                "u:p@[2001:DB8::1]/x",
                true,
                "[2001:db8::1]:443",
                "[2001:db8::1]",
            ),
        ] {
            let location = Location::read("", rest, is_tls).unwrap();
            assert_eq!(location.address(), address);
            assert_eq!(location.host(), host, "{address}");
            assert_eq!(location.is_tls(), is_tls);
        }
    }
}
