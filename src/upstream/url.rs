//! The URLs of upstreams.

use std::sync::Arc;

use thiserror::Error;

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

/// What is wrong with the URL of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// No kind of upstream has this scheme.
    #[error(
        "`{0}` is no upstream; write tcp://HOST:PORT, unix:PATH, ws://HOST:PORT/PATH or \
         ws+PROTOCOL://HOST:PORT/PATH, as ws+hixie76://"
    )]
    Scheme(String),
    /// The protocol in `ws+PROTOCOL://` is unknown.
    #[error("`{0}` is no protocol (without the hyphen: hixie76)")]
    Protocol(String),
    /// The address lacks something.
    #[error("`{url}`: {problem}")]
    Address {
        /// What stands there.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
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
