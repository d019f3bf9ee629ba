//! A policy that admits pages of some hosts.

use futures_core::future::BoxFuture;
use polysock_protocols::Rejection;

use super::{Admitted, Policy, Visitor};
use crate::route::{HostPattern, HostPatternError};

/// Admits pages of some hosts, over `http` or `https` and from any port (RFC 6455 §10.2). Others
/// receive 403, and so do opening handshakes without an origin. Ordinary requests without an origin
/// are admitted, because browsers send it in few of them.
///
/// [`SiteSettings::origins`](crate::SiteSettings::origins) distinguishes schemes and ports as well.
///
/// ```
/// use polysock::apps::{Layered, echo};
/// use polysock::{Application, OriginCheck};
///
/// fn application() -> Result<impl Application, polysock::HostPatternError> {
///     Ok(echo.layer(OriginCheck::hosts(["example.com", "*.example.com"])?))
/// }
/// # application().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct OriginCheck {
    hosts: Vec<HostPattern>,
    lets_in_silent: bool,
}

impl OriginCheck {
    /// Admits pages of these hosts: `example.com`, or `*.example.com` for one label in front of it.
    ///
    /// # Errors
    ///
    /// A host is not valid.
    pub fn hosts<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Result<Self, HostPatternError> {
        let hosts = hosts.into_iter().map(str::parse);
        Ok(Self {
            hosts: hosts.collect::<Result<_, _>>()?,
            lets_in_silent: false,
        })
    }

    /// Also admits clients that send no origin: those other than browsers.
    #[must_use]
    pub fn or_none(self) -> Self {
        Self {
            lets_in_silent: true,
            ..self
        }
    }

    fn admits(&self, visitor: Visitor<'_>) -> bool {
        let Some(origin) = visitor.origin() else {
            return self.lets_in_silent || visitor.handshake().is_none();
        };
        let host = match origin.split_once("://") {
            Some((scheme, host)) => {
                let is = |name| scheme.eq_ignore_ascii_case(name);
                Some(host).filter(|_| is("http") || is("https"))
            }
            // Clients other than browsers leave out the scheme (websocket-client 0.3).
            None => Some(origin),
        };
        let host = host.map(|host| host.strip_suffix('/').unwrap_or(host));
        host.is_some_and(|host| {
            let mut hosts = self.hosts.iter();
            hosts.any(|pattern| pattern.matches(host.as_bytes()))
        })
    }
}

impl Policy for OriginCheck {
    fn check<'a>(&'a self, visitor: Visitor<'a>) -> BoxFuture<'a, Result<Admitted, Rejection>> {
        let admitted = match self.admits(visitor) {
            true => Ok(Admitted::default()),
            false => Err(Rejection::new(403, "this origin is not allowed")),
        };
        Box::pin(std::future::ready(admitted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Peer;

    #[test]
    fn an_origin_is_checked_by_its_host() {
        let check = OriginCheck::hosts(["example.com", "*.example.org"]).unwrap();
        let peer = Peer::default();
        for (origin, expected) in [
            ("http://example.com", true),
            ("https://EXAMPLE.com:8443", true),
            ("https://example.com/", true),
            ("example.com", true),
            ("http://a.example.org", true),
            ("http://example.org", false),
            ("http://a.b.example.org", false),
            ("http://example.com.evil.org", false),
            ("http://notexample.com", false),
            ("http://evil.org/example.com", false),
            ("http://evil.org#example.com", false),
            ("http://example.com@evil.org", false),
            ("chrome-extension://example.com", false),
            ("null", false),
            ("", false),
        ] {
            let request = hyper::Request::get("/").header("origin", origin);
            let request = request.body(()).unwrap();
            let visitor = Visitor::of_request(&request, &peer);
            assert_eq!(check.admits(visitor), expected, "{origin}");
        }
        assert!(OriginCheck::hosts(["http://example.com"]).is_err());
    }
}
