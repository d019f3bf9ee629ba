//! The servers that a command talks to.

use std::sync::Arc;

use clap::Args;
use polysock::Compression;
use polysock::protocols::{Protocol, SessionConfig};
use polysock::upstream::{self, Upstream, UpstreamSettings, UrlError, WebSocketUpstream};

use super::values;

/// The server that a client talks to.
#[derive(Args, Debug)]
pub(crate) struct ServerFlags {
    /// ws://HOST[:PORT][/PATH], or ws+PROTOCOL://… as ws+hixie76://
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// The protocol to speak, if the URL does not say [default: rfc6455]
    #[arg(long, value_name = "NAME", value_parser = values::protocol)]
    protocol: Option<&'static dyn Protocol>,
}

impl ServerFlags {
    /// The server, whose messages may have any size. Compression is offered where it is wanted.
    pub(crate) fn server(&self, compression: bool) -> Result<WebSocketUpstream, String> {
        let settings = UpstreamSettings {
            compression: compression.then(Compression::default),
            ..any_size()
        };
        let url = &self.url;
        let parsed = match (url.strip_prefix("ws://"), url.strip_prefix("ws+")) {
            (Some(rest), _) => {
                let name = self.protocol.map_or("rfc6455", |protocol| protocol.name());
                WebSocketUpstream::parse(name, rest, settings)
            }
            (None, Some(rest)) if self.protocol.is_none() => {
                WebSocketUpstream::parse_named(rest, settings)
            }
            _ => {
                return Err(format!(
                    "`{url}` is no WebSocket URL; write ws://HOST:PORT/PATH, with --protocol or as \
                     ws+PROTOCOL://"
                ));
            }
        };
        parsed.map_err(|error| bad_url(&error))
    }
}

/// What stands behind a port, by its URL.
pub(crate) fn reach(url: &str, settings: UpstreamSettings) -> Result<Arc<dyn Upstream>, String> {
    upstream::parse(url, settings).map_err(|problem| bad_url(&problem))
}

/// What is wrong with the URL of a server, and the mend.
fn bad_url(error: &UrlError) -> String {
    match error {
        UrlError::Protocol(name) => format!(
            "`{name}` is no protocol; `polysock protocols` lists them (without the hyphen: hixie76)"
        ),
        other => other.to_string(),
    }
}

/// How a server is treated whose messages may have any size.
pub(crate) fn any_size() -> UpstreamSettings {
    UpstreamSettings {
        session: SessionConfig {
            max_message: u64::MAX,
            ..SessionConfig::default()
        },
        ..UpstreamSettings::default()
    }
}
