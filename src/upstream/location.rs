//! The location in the URL of a server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytestring::ByteString;
use percent_encoding::percent_decode_str;
use polysock_protocols::hide_secrets;
use url::{ParseError, Position, Url};

use super::UrlError;

/// The location in the URL of a server. All URLs are parsed once, by the rules for `ws://` or
/// `wss://`, whatever their scheme.
#[derive(Debug)]
pub(super) struct Location {
    url: Url,
    /// The port in the URL, also if it is the scheme's default, which the parser drops; `None` if
    /// the URL has none.
    port: Option<u16>,
}

impl Location {
    /// Reads `rest`, the part of `url` after `://`. `is_tls` tells whether the scheme asks for TLS.
    ///
    /// # Errors
    ///
    /// The URL has a fragment, a blank, a backslash or a control character, or its host or port is
    /// invalid.
    pub(super) fn read(url: &str, rest: &str, is_tls: bool) -> Result<Self, UrlError> {
        let error = |problem| Err(problem_of(url, problem));
        // The parser would drop such characters, or treat a backslash as a slash.
        if rest.contains(|c: char| c == ' ' || c == '\\' || c.is_ascii_control()) {
            return error(
                "a URL must not contain blanks, backslashes or control characters: write %20 and the like",
            );
        }
        if rest.contains('#') {
            return error(
                "a WebSocket URL must not have a fragment (RFC 6455 §3): leave it out, or write %23",
            );
        }
        // The parser would skip further slashes and read a host after them.
        if rest.starts_with('/') {
            return error(NO_HOST);
        }
        let scheme = if is_tls { "wss" } else { "ws" };
        let parsed = match Url::parse(&format!("{scheme}://{rest}")) {
            Ok(parsed) => parsed,
            Err(ParseError::EmptyHost) => return error(NO_HOST),
            Err(ParseError::InvalidPort) => return error("the port is not a number up to 65535"),
            Err(ParseError::InvalidIpv6Address) => {
                return error("the text in brackets is not an IPv6 address");
            }
            Err(_) => return error("the host is not valid"),
        };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let written = authority.rsplit_once(':');
        let written = written.and_then(|(_, port)| port.parse().ok());
        let location = Self {
            port: parsed.port().or(written),
            url: parsed,
        };
        if location.port == Some(0) {
            return error("the port must not be 0");
        }
        Ok(location)
    }

    /// True if the scheme asks for TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.url.scheme() == "wss"
    }

    /// Returns the host: a name, or an IP address, IPv6 in brackets.
    pub(super) fn name(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Returns the port; `None` if the URL has none.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns `HOST:PORT`, to connect to.
    pub(super) fn address(&self) -> String {
        let port = self.port.or(self.url.port_or_known_default());
        format!("{}:{}", self.name(), port.unwrap_or_default())
    }

    /// Returns the value of the `Host` field, without the scheme's default port.
    pub(super) fn host(&self) -> ByteString {
        let authority = &self.url[Position::BeforeHost..Position::AfterPort];
        authority.into()
    }

    /// Returns path and query, with non-ASCII characters escaped; `None` if the URL has neither.
    pub(super) fn target(&self) -> Option<ByteString> {
        let target = &self.url[Position::BeforePath..Position::AfterQuery];
        (target != "/").then(|| target.into())
    }

    /// True if the URL has user information.
    pub(super) fn has_user(&self) -> bool {
        !self.url.username().is_empty() || self.url.password().is_some()
    }

    /// Returns the `Authorization` field for the user information (RFC 7617 §2); `None` if there is
    /// none.
    ///
    /// # Errors
    ///
    /// The user name contains a colon.
    pub(super) fn authorization(&self) -> Result<Option<String>, &'static str> {
        if !self.has_user() {
            return Ok(None);
        }
        let mut credentials: Vec<u8> = percent_decode_str(self.url.username()).collect();
        if credentials.contains(&b':') {
            return Err("a user name must not contain a colon (RFC 7617 §2)");
        }
        credentials.push(b':');
        credentials.extend(percent_decode_str(self.url.password().unwrap_or_default()));
        Ok(Some(format!("Basic {}", STANDARD.encode(credentials))))
    }
}

const NO_HOST: &str = "the host is missing: write ws://HOST:PORT/PATH";

/// Returns an error for a URL, whose secrets are hidden.
pub(super) fn problem_of(url: &str, problem: &'static str) -> UrlError {
    UrlError::Address {
        url: hide_secrets(url).into_owned(),
        problem,
    }
}

/// Removes a scheme, in any case (RFC 3986 §3.1); `None` if the URL has another.
pub(super) fn strip_scheme<'a>(scheme: &str, url: &'a str) -> Option<&'a str> {
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
