//! The origins whose pages may connect.

use std::fmt;
use std::str::FromStr;

use polysock_protocols::{FlashDomain, Rejection, Request};
use thiserror::Error;
use url::{Host, Url};

/// The origins that are admitted (RFC 6455 §10.2). A browser always sends the origin of its page,
/// and the page cannot change it. Other clients can send any value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every origin, and clients that send none.
    Any,
    /// Only these.
    Listed(Vec<OriginPattern>),
}

/// A pattern of origins: scheme, host and port (RFC 6454 §4).
///
/// | text | matching pages |
/// |---|---|
/// | `http://example.com`, `https://example.com:8443`, `chrome-extension://abcdef` | pages of this origin; a trailing slash and the default port of the scheme are optional |
/// | `https://*.example.com` | pages of hosts with one label in front of this one, with the same scheme and port |
/// | `same-origin` | pages with the scheme, host and port that the client requested, as the client sees them: as reported by a [trusted](crate::PortSettings::forwarded) proxy, and `https` if the client is [secure](crate::PortSettings::secure) |
/// | `null` | pages whose origin browsers do not name: files, sandboxed frames |
/// | `none` | no page: clients that send no origin |
///
/// Only `null` matches the origin `null`. Two patterns are equal if scheme, host and port are equal
/// (RFC 6454 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// Clients that send no origin.
    Silent,
    Null,
    Same,
    Page(Page),
    /// Pages of hosts with one label in front of this one.
    Below(Page),
}

/// An origin with scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Page {
    scheme: String,
    host: String,
    /// `None` for the default port of the scheme.
    port: Option<u16>,
}

/// The scheme and host that a client requested, as the client sees them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Destination<'a> {
    /// The host, with its port unless that is the default of the scheme.
    pub(super) host: &'a str,
    pub(super) secure: bool,
}

/// The reason why a text is not an origin pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OriginPatternError {
    /// The scheme is missing.
    #[error(
        "the scheme is missing: write http://HOST or https://HOST, with the port if it is not the default"
    )]
    Scheme,
    /// There is more than scheme, host and port.
    #[error("an origin must not have a path, query or fragment")]
    Path,
    /// There is a user.
    #[error("an origin must not have a user or password")]
    UserInfo,
    /// `*` is anywhere but in the place of the first label of a host name.
    #[error("`*` can only replace the first label of a host: https://*.example.com")]
    Wildcard,
    /// The host is missing, or host or port is invalid.
    #[error("the host is missing, or the host and port are not valid")]
    Host,
}

impl Origins {
    /// Admits a client by the origin in its request, or returns the refusal.
    ///
    /// # Errors
    ///
    /// The origin is not listed.
    pub fn check(&self, request: &Request) -> Result<(), Rejection> {
        let destination = Destination {
            host: &request.host,
            secure: request.secure,
        };
        match self.include(request.origin.as_deref(), destination) {
            true => Ok(()),
            false => Err(Rejection::new(403, "this origin is not allowed")),
        }
    }

    /// True if a client with this origin, or with none, may connect to this destination.
    pub(super) fn include(&self, origin: Option<&str>, destination: Destination<'_>) -> bool {
        let Self::Listed(list) = self else {
            return true;
        };
        let said = OriginPattern::of_client(origin).map(|said| said.0);
        list.iter()
            .any(|OriginPattern(listed)| match (listed, &said) {
                (Pattern::Same, _) => origin.is_some_and(|origin| destination.has(origin)),
                (Pattern::Below(parent), Some(Pattern::Page(page))) => page.is_below(parent),
                (listed, said) => said.as_ref() == Some(listed),
            })
    }

    /// Returns the domains whose Flash movies may connect; `None` for all. Origins without an
    /// `http` or `https` host are left out, and so is `same-origin`, because Flash does not send
    /// the requested host. A domain for `*.` covers hosts at any depth, because Flash has no
    /// narrower wildcard.
    pub fn flash_domains(&self) -> Option<Vec<FlashDomain>> {
        let Self::Listed(list) = self else {
            return None;
        };
        let domains = list
            .iter()
            .filter_map(|OriginPattern(listed)| match listed {
                Pattern::Page(page) => page.flash_domain(""),
                Pattern::Below(page) => page.flash_domain("*."),
                Pattern::Silent | Pattern::Null | Pattern::Same => None,
            });
        Some(domains.collect())
    }
}

impl OriginPattern {
    /// Returns the pattern for the origin that a client sends; `None` if it is not a valid origin.
    ///
    /// Clients other than browsers leave out the scheme (websocket-client 0.3). For them `http` is
    /// assumed.
    pub fn of_client(origin: Option<&str>) -> Option<Self> {
        let pattern = match origin {
            None => Pattern::Silent,
            Some("null") => Pattern::Null,
            Some(page) => Pattern::Page(Page::of_client(page, "http").ok()?),
        };
        Some(Self(pattern))
    }
}

impl Destination<'_> {
    /// True if a page of this origin has the same origin as this destination.
    fn has(self, origin: &str) -> bool {
        let scheme = if self.secure { "https" } else { "http" };
        let own = Page::parse(&format!("{scheme}://{}", self.host));
        let page = Page::of_client(origin, scheme);
        // RFC 6454 §4: the origin `null` equals no other.
        origin != "null" && page.is_ok() && page == own
    }
}

impl Page {
    /// Parses the origin that a client sends. `scheme` is used if the client leaves it out.
    fn of_client(origin: &str, scheme: &str) -> Result<Self, OriginPatternError> {
        match origin.contains("://") {
            true => Self::parse(origin),
            false => Self::parse(&format!("{scheme}://{origin}")),
        }
    }

    fn parse(text: &str) -> Result<Self, OriginPatternError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginPatternError::Scheme)?;
        // SocketRocket sends a trailing slash, although RFC 6454 §6.2 has none.
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains('*') {
            return Err(OriginPatternError::Wildcard);
        }
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(OriginPatternError::Path);
        }
        if authority.contains('@') {
            return Err(OriginPatternError::UserInfo);
        }
        // The URL parser would silently remove them.
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(OriginPatternError::Host);
        }
        let url = Url::parse(&format!("{scheme}://{authority}"));
        let url = url.map_err(|_| OriginPatternError::Host)?;
        Ok(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str().unwrap_or_default().to_ascii_lowercase(),
            port: url.port(),
        })
    }

    /// True if the host is the other's host with one label in front.
    fn is_below(&self, parent: &Self) -> bool {
        let label = self.host.strip_suffix(&*parent.host);
        let label = label.and_then(|label| label.strip_suffix('.'));
        label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
            && (&self.scheme, self.port) == (&parent.scheme, parent.port)
    }

    fn flash_domain(&self, before: &str) -> Option<FlashDomain> {
        let secure = match &*self.scheme {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let name = format!("{before}{}", self.host);
        Some(FlashDomain { name, secure })
    }
}

impl FromStr for OriginPattern {
    type Err = OriginPatternError;

    fn from_str(text: &str) -> Result<Self, OriginPatternError> {
        Ok(Self(match text {
            "none" => Pattern::Silent,
            "null" => Pattern::Null,
            "same-origin" => Pattern::Same,
            text => match text.split_once("://*.") {
                None => Pattern::Page(Page::parse(text)?),
                Some((scheme, parent)) => {
                    let page = Page::parse(&format!("{scheme}://{parent}"))?;
                    if !matches!(Host::parse(&page.host), Ok(Host::Domain(_))) {
                        return Err(OriginPatternError::Wildcard);
                    }
                    Pattern::Below(page)
                }
            },
        }))
    }
}

/// Writes the text that is parsed, without the default port of the scheme.
impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (page, before) = match &self.0 {
            Pattern::Silent => return f.write_str("none"),
            Pattern::Null => return f.write_str("null"),
            Pattern::Same => return f.write_str("same-origin"),
            Pattern::Page(page) => (page, ""),
            Pattern::Below(page) => (page, "*."),
        };
        write!(f, "{}://{before}{}", page.scheme, page.host)?;
        match page.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(origin: &str) -> Origins {
        Origins::Listed(vec![origin.parse().unwrap()])
    }

    fn include(origins: &Origins, origin: Option<&str>) -> bool {
        let destination = Destination {
            host: "ws.example",
            secure: false,
        };
        origins.include(origin, destination)
    }

    #[test]
    fn admits_origins_with_the_same_scheme_host_and_port() {
        for (origin, same, others) in [
            (
                "http://a.example",
                &[
                    "http://a.example",
                    "http://A.example",
                    "HTTP://a.example/",
                    "http://a.example:80",
                    "http://a.example:80/",
                    "a.example",
                ][..],
                &[
                    "https://a.example",
                    "http://a.example:8080",
                    "http://b.example",
                    "http://a.example.evil",
                    "http://a.example/page",
                    "http://a.example@evil.example",
                    "http://evil.example@a.example",
                    "http://a.example http://b.example",
                    "http://a.exam\tple",
                    "http:a.example",
                    "null",
                    "none",
                    "",
                ][..],
            ),
            (
                "https://b:443/",
                &["https://b", "https://b:443"],
                &["http://b:443", "https://b:80"],
            ),
            (
                "http://[::1]:8080",
                &["http://[0:0::1]:8080/"],
                &["http://[::1]"],
            ),
            (
                "http://bücher.example",
                &["http://xn--bcher-kva.example"],
                &["http://bucher.example"],
            ),
            (
                "http://127.0.0.1",
                &["127.0.0.1", "127.0.0.1:80"],
                &["127.0.0.1:8080"],
            ),
            (
                "chrome-extension://abc",
                &["chrome-extension://abc"],
                &["moz-extension://abc"],
            ),
            ("file://", &["file://", "file:///"], &["null", "http://a"]),
            ("null", &["null"], &["none", "http://null"]),
            (
                "https://*.a.example:8443",
                &["https://b.a.example:8443", "https://B.A.example:8443/"],
                &[
                    "https://b.a.example",
                    "http://b.a.example:8443",
                    "https://a.example:8443",
                    "https://c.b.a.example:8443",
                    "https://.a.example:8443",
                    "https://ba.example:8443",
                    "https://evil.example:8443",
                    "https://*.a.example:8443",
                    "null",
                ],
            ),
            (
                "same-origin",
                &["http://ws.example", "http://WS.example:80", "ws.example"],
                &[
                    "https://ws.example",
                    "http://ws.example:8080",
                    "http://a.ws.example",
                    "http://ws.example.evil",
                    "same-origin",
                    "null",
                    "",
                ],
            ),
        ] {
            let origins = listed(origin);
            for same in same {
                assert!(include(&origins, Some(same)), "{origin} {same}");
            }
            for other in others {
                assert!(!include(&origins, Some(other)), "{origin} {other}");
            }
            assert!(!include(&origins, None));
        }
        assert!(include(&listed("none"), None));
        assert!(!include(&listed("none"), Some("none")));
        assert!(include(&Origins::Any, None));
    }

    #[test]
    fn refuses_patterns_that_are_no_origin() {
        for (text, error) in [
            ("a.example", OriginPatternError::Scheme),
            ("a.example:80", OriginPatternError::Scheme),
            ("", OriginPatternError::Scheme),
            ("http:a.example", OriginPatternError::Scheme),
            ("http://a.example/chat", OriginPatternError::Path),
            ("http://a.example//", OriginPatternError::Path),
            ("http://a.example?b", OriginPatternError::Path),
            ("http://a.example#b", OriginPatternError::Path),
            ("http://me@a.example", OriginPatternError::UserInfo),
            ("http://a.*.example", OriginPatternError::Wildcard),
            ("http://*.*.example", OriginPatternError::Wildcard),
            ("http://*a.example", OriginPatternError::Wildcard),
            ("http://*", OriginPatternError::Wildcard),
            ("http://*.127.0.0.1", OriginPatternError::Wildcard),
            ("http://*.[::1]", OriginPatternError::Wildcard),
            ("http://a.example:*", OriginPatternError::Wildcard),
            ("http://*.", OriginPatternError::Host),
            ("*.a.example", OriginPatternError::Scheme),
            ("http://", OriginPatternError::Host),
            ("http://:80", OriginPatternError::Host),
            ("http://a.example:70000", OriginPatternError::Host),
            ("http://[::1", OriginPatternError::Host),
            ("http://a b", OriginPatternError::Host),
            ("h ttp://a", OriginPatternError::Host),
        ] {
            assert_eq!(text.parse::<OriginPattern>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_written_origin_pattern_is_read_back() {
        for (text, written) in [
            ("HTTP://A.example:80/", "http://a.example"),
            ("https://a:8443", "https://a:8443"),
            ("chrome-extension://abc/", "chrome-extension://abc"),
            ("file:///", "file://"),
            ("null", "null"),
            ("none", "none"),
            ("same-origin", "same-origin"),
            ("HTTPS://*.A.example:443/", "https://*.a.example"),
        ] {
            assert_eq!(text.parse::<OriginPattern>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn the_requested_host_and_scheme_decide_if_an_origin_is_the_same() {
        let same = listed("same-origin");
        for (host, secure, own, others) in [
            (
                "a.example",
                true,
                "https://a.example",
                ["http://a.example", "https://a.example:80"],
            ),
            (
                "a.example:443",
                true,
                "https://a.example",
                ["http://a.example", "https://a"],
            ),
            (
                "a.example:80",
                false,
                "http://a.example",
                ["https://a.example", "http://a"],
            ),
            (
                "a.example:443",
                false,
                "http://a.example:443",
                ["https://a.example", "http://a.example"],
            ),
            (
                "A.example:8080",
                false,
                "http://a.example:8080",
                ["http://a.example", "null"],
            ),
            (
                "[::1]:80",
                false,
                "http://[0:0::1]",
                ["http://[::2]", "http://[::1]:8080"],
            ),
            // Clients other than browsers.
            ("a.example", true, "a.example", ["a.example:80", ""]),
            // Browsers request no such hosts, and the origin `null` equals no other.
            ("null", false, "http://null", ["null", "none"]),
            ("", false, "http://a", ["", "http://"]),
        ] {
            let destination = Destination { host, secure };
            let is_own = same.include(Some(own), destination);
            assert_eq!(is_own, !host.is_empty(), "{own} at {host}");
            for other in others {
                let is_let_in = same.include(Some(other), destination);
                assert!(!is_let_in, "{other} at {host}");
            }
            assert!(!same.include(None, destination));
        }
    }
}
