//! Servers that a command connects to.

use std::sync::Arc;

use clap::Args;
use polysock::Compression;
use polysock::protocols::{Protocol, SessionConfig};
use polysock::upstream::{
    self, HttpUpstream, Upstream, UpstreamSettings, UrlError, WebSocketUpstream,
};

use super::values;

/// The server that a client connects to.
#[derive(Args, Debug)]
pub(crate) struct ServerFlags {
    /// URL of the server: ws://HOST[:PORT][/PATH], or ws+PROTOCOL://… as ws+hixie76://; wss://…
    /// over TLS
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// Protocol to speak if the URL does not name one [default: rfc6455]
    #[arg(long, value_name = "NAME", value_parser = values::protocol)]
    protocol: Option<&'static dyn Protocol>,

    #[cfg(feature = "tls")]
    #[command(flatten)]
    tls: super::upstream_tls::ServerTlsFlags,
}

impl ServerFlags {
    /// Returns the server. Its messages may have any size. `compression` decides whether
    /// compression is offered.
    pub(crate) fn server(&self, compression: bool) -> Result<WebSocketUpstream, String> {
        let settings = UpstreamSettings {
            compression: compression.then(Compression::default),
            #[cfg(feature = "tls")]
            tls: self.tls.client()?,
            ..any_size()
        };
        let url = &self.url;
        let server = match WebSocketUpstream::parse(url, settings) {
            Err(UrlError::Scheme(url)) => Err(format!(
                "`{url}` is not a WebSocket URL; write ws://HOST:PORT/PATH or wss://…, with --protocol or as \
                 ws+PROTOCOL://"
            )),
            parsed => parsed.map_err(|error| bad_url(&error)),
        }?;
        let scheme = url.split("://").next().unwrap_or_default();
        match self.protocol {
            Some(_) if scheme.contains('+') => Err(
                "the URL and --protocol both name a protocol: write ws:// or wss:// with --protocol".into(),
            ),
            Some(protocol) => Ok(server.with_protocol(protocol)),
            None => Ok(server),
        }
    }
}

/// Parses the URL of an upstream.
pub(crate) fn reach(url: &str, settings: UpstreamSettings) -> Result<Arc<dyn Upstream>, String> {
    upstream::parse(url, settings).map_err(|problem| bad_url(&problem))
}

/// Parses the URL of a web server; `None` if its scheme is another.
pub(crate) fn web_server(
    url: &str,
    settings: UpstreamSettings,
) -> Result<Option<HttpUpstream>, String> {
    match HttpUpstream::parse(url, settings) {
        Err(UrlError::Scheme(_)) => Ok(None),
        parsed => parsed.map(Some).map_err(|problem| bad_url(&problem)),
    }
}

/// Describes an error in a URL, with advice.
pub(crate) fn bad_url(error: &UrlError) -> String {
    match error {
        UrlError::Protocol(name) => format!(
            "`{name}` is not a protocol; `polysock protocols` lists them (without the hyphen: hixie76)"
        ),
        other => other.to_string(),
    }
}

/// Returns settings for a server whose messages may have any size.
pub(crate) fn any_size() -> UpstreamSettings {
    UpstreamSettings {
        session: SessionConfig {
            max_message: u64::MAX,
            ..SessionConfig::default()
        },
        ..UpstreamSettings::default()
    }
}
