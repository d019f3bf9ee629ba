//! From which pages clients may connect.

use std::fmt;
use std::str::FromStr;

use polysock_protocols::Rejection;
use thiserror::Error;
use url::Url;

/// Which origins are let in (RFC 6455 §10.2). A browser always says where its page is from, and
/// a page cannot lie about it; other clients can say what they like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every origin, and none.
    Any,
    /// These.
    Listed(Vec<Origin>),
}

/// The origin of a page: scheme, host and port (RFC 6454 §4).
///
/// It is read from text as `http://example.com`, `https://example.com:8443` or
/// `chrome-extension://abcdef`, with or without a slash behind it and the port of the scheme;
/// `null` is what browsers say for pages that they trust with no name, and `none` stands for clients
/// that say nothing. Two are equal where these three are (RFC 6454 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(Said);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Null,
    Page {
        scheme: String,
        host: String,
        port: Option<u16>,
    },
}

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OriginError {
    /// There is no scheme.
    #[error(
        "the scheme is missing: an origin is http://HOST or https://HOST, with a port if it is another"
    )]
    Scheme,
    /// There is more than scheme, host and port.
    #[error("an origin ends with its host or port: it has no path, query or fragment")]
    Path,
    /// There is a user.
    #[error("an origin has no user and no password")]
    UserInfo,
    /// There is a `*` for a part of it.
    #[error("`*` stands for every origin, and for no part of one: list each")]
    Wildcard,
    /// The host is missing, or is none; or the port is.
    #[error("there is no host, or what stands there is no host and port")]
    Host,
}

impl Origins {
    /// Lets a client with this origin in, or says what it is answered with.
    ///
    /// # Errors
    ///
    /// The origin is not listed.
    pub fn check(&self, origin: Option<&str>) -> Result<(), Rejection> {
        let Self::Listed(list) = self else {
            return Ok(());
        };
        let said = Origin::of_client(origin);
        if said.is_some_and(|said| list.contains(&said)) {
            Ok(())
        } else {
            Err(Rejection::new(403, "this origin is not allowed"))
        }
    }
}

impl Origin {
    /// The origin that a client names; `None` where it is none that could be listed.
    ///
    /// Clients that are no browsers leave out the scheme (websocket-client 0.3): theirs is taken for
    /// `http`.
    pub fn of_client(origin: Option<&str>) -> Option<Self> {
        match origin {
            None => Some(Self(Said::Nothing)),
            Some("null") => Some(Self(Said::Null)),
            Some(page) if page.contains("://") => Said::page(page).ok().map(Self),
            Some(host) => Said::page(&format!("http://{host}")).ok().map(Self),
        }
    }
}

impl Said {
    fn page(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Scheme)?;
        // SocketRocket sends it, though RFC 6454 §6.2 has none.
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains('*') {
            return Err(OriginError::Wildcard);
        }
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(OriginError::Path);
        }
        if authority.contains('@') {
            return Err(OriginError::UserInfo);
        }
        // The parser of URLs would leave it out.
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(OriginError::Host);
        }
        let url = Url::parse(&format!("{scheme}://{authority}"));
        let url = url.map_err(|_| OriginError::Host)?;
        Ok(Self::Page {
            scheme: url.scheme().to_owned(),
            host: url.host_str().unwrap_or_default().to_ascii_lowercase(),
            port: url.port(),
        })
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        Ok(Self(match text {
            "none" => Said::Nothing,
            "null" => Said::Null,
            page => Said::page(page)?,
        }))
    }
}

/// As it is read; without the port where it is that of the scheme.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Said::Nothing => f.write_str("none"),
            Said::Null => f.write_str("null"),
            Said::Page { scheme, host, port } => {
                write!(f, "{scheme}://{host}")?;
                match port {
                    Some(port) => write!(f, ":{port}"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(origin: &str) -> Origins {
        Origins::Listed(vec![origin.parse().unwrap()])
    }

    #[test]
    fn lets_in_whoever_names_the_same_scheme_host_and_port() {
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
        ] {
            let origins = listed(origin);
            for same in same {
                assert!(origins.check(Some(same)).is_ok(), "{origin} {same}");
            }
            for other in others {
                let rejection = origins.check(Some(other)).unwrap_err();
                assert_eq!(rejection.status, 403, "{origin} {other}");
            }
            assert!(origins.check(None).is_err());
        }
        assert!(listed("none").check(None).is_ok());
        assert!(listed("none").check(Some("none")).is_err());
        assert!(Origins::Any.check(None).is_ok());
    }

    #[test]
    fn refuses_what_cannot_be_an_origin() {
        for (text, error) in [
            ("a.example", OriginError::Scheme),
            ("a.example:80", OriginError::Scheme),
            ("", OriginError::Scheme),
            ("http:a.example", OriginError::Scheme),
            ("http://a.example/chat", OriginError::Path),
            ("http://a.example//", OriginError::Path),
            ("http://a.example?b", OriginError::Path),
            ("http://a.example#b", OriginError::Path),
            ("http://me@a.example", OriginError::UserInfo),
            ("http://*.a.example", OriginError::Wildcard),
            ("http://a.example:*", OriginError::Wildcard),
            ("http://", OriginError::Host),
            ("http://:80", OriginError::Host),
            ("http://a.example:70000", OriginError::Host),
            ("http://[::1", OriginError::Host),
            ("http://a b", OriginError::Host),
            ("h ttp://a", OriginError::Host),
        ] {
            assert_eq!(text.parse::<Origin>(), Err(error), "{text}");
        }
    }

    #[test]
    fn is_written_as_it_is_read() {
        for (text, written) in [
            ("HTTP://A.example:80/", "http://a.example"),
            ("https://a:8443", "https://a:8443"),
            ("chrome-extension://abc/", "chrome-extension://abc"),
            ("file:///", "file://"),
            ("null", "null"),
            ("none", "none"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), written);
        }
    }
}
