//! The URLs of upstreams.

use std::sync::Arc;

use super::error::UrlError;
use super::{TcpUpstream, UnixUpstream, Upstream, UpstreamSettings, WebSocketUpstream};

/// The upstream of this URL.
///
/// # Errors
///
/// The URL names none.
pub fn parse(url: &str, settings: UpstreamSettings) -> Result<Arc<dyn Upstream>, UrlError> {
    SCHEMES
        .iter()
        .find_map(|(scheme, parse)| Some(parse(url.strip_prefix(scheme)?, settings)))
        .unwrap_or_else(|| Err(UrlError::Scheme(url.to_owned())))
}

/// How the URL of an upstream is read; a line for each kind.
const SCHEMES: &[(&str, Parse)] = &[
    ("tcp://", |rest, settings| {
        Ok(Arc::new(TcpUpstream::parse(rest, settings)?))
    }),
    ("unix:", |rest, settings| {
        Ok(Arc::new(UnixUpstream::parse(rest, settings)?))
    }),
    ("ws://", |rest, settings| {
        Ok(Arc::new(WebSocketUpstream::parse(
            "rfc6455", rest, settings,
        )?))
    }),
    ("ws+", |rest, settings| {
        Ok(Arc::new(WebSocketUpstream::parse_named(rest, settings)?))
    }),
];

/// Reads what stands behind a scheme.
type Parse = fn(&str, UpstreamSettings) -> Result<Arc<dyn Upstream>, UrlError>;
