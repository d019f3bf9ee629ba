//! The URLs of upstreams.

use std::sync::Arc;

use polysock_protocols::hide_secrets;

use super::error::UrlError;
use super::location::strip_scheme;
use super::{
    AutoUpstream, ExecSettings, ExecUpstream, HttpUpstream, TcpUpstream, UnixUpstream, Upstream,
    UpstreamSettings, WebSocketUpstream,
};

/// Creates the upstream for a URL.
///
/// # Errors
///
/// The URL is invalid, or its scheme is unknown.
pub fn parse(url: &str, settings: UpstreamSettings) -> Result<Arc<dyn Upstream>, UrlError> {
    SCHEMES
        .iter()
        .find(|(scheme, _)| strip_scheme(scheme, url).is_some())
        .map_or_else(
            || Err(UrlError::Scheme(hide_secrets(url).into_owned())),
            |(_, parse)| parse(url, settings),
        )
}

/// True if the URL of an upstream asks for TLS: `wss:`, `wss+PROTOCOL:`, `tls:` or `https:`.
pub fn uses_tls(url: &str) -> bool {
    let schemes = ["wss:", "wss+", "tls:", "https:"];
    schemes
        .iter()
        .any(|scheme| strip_scheme(scheme, url).is_some())
}

/// The parser for each kind of URL, by the beginning of the URL.
const SCHEMES: &[(&str, Parse)] = &[
    ("tcp:", |url, settings| {
        Ok(Arc::new(TcpUpstream::parse(url, settings)?))
    }),
    ("tls:", |url, settings| {
        Ok(Arc::new(TcpUpstream::parse(url, settings)?))
    }),
    ("unix:", |url, settings| {
        Ok(Arc::new(UnixUpstream::parse(url, settings)?))
    }),
    ("exec:", |url, settings| {
        let exec = ExecSettings::default();
        Ok(Arc::new(ExecUpstream::parse(url, settings, exec)?))
    }),
    ("ws+auto:", |url, settings| {
        Ok(Arc::new(AutoUpstream::parse(url, settings)?))
    }),
    ("wss+auto:", |url, settings| {
        Ok(Arc::new(AutoUpstream::parse(url, settings)?))
    }),
    ("http", |url, settings| {
        Ok(Arc::new(HttpUpstream::parse(url, settings)?))
    }),
    ("ws", |url, settings| {
        Ok(Arc::new(WebSocketUpstream::parse(url, settings)?))
    }),
];

/// The parser of a URL.
type Parse = fn(&str, UpstreamSettings) -> Result<Arc<dyn Upstream>, UrlError>;
