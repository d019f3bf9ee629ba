//! The servers that a command talks to.

use polysock::Compression;
use polysock::protocols::{Protocol, SessionConfig};
use polysock::upstream::{UpstreamSettings, WebSocketUpstream};

use super::values::bad_url;

/// The server of a URL, `ws://…` or `ws+PROTOCOL://…`, in the protocol that was asked for where
/// the URL does not say; its messages may have any size. Compression is offered where it is wanted.
pub(crate) fn server(
    url: &str,
    protocol: Option<&'static dyn Protocol>,
    compression: bool,
) -> Result<WebSocketUpstream, String> {
    let settings = UpstreamSettings {
        compression: compression.then(Compression::default),
        ..any_size()
    };
    let parsed = match (url.strip_prefix("ws://"), url.strip_prefix("ws+")) {
        (Some(rest), _) => {
            let name = protocol.map_or("rfc6455", |protocol| protocol.name());
            WebSocketUpstream::parse(name, rest, settings)
        }
        (None, Some(rest)) if protocol.is_none() => WebSocketUpstream::parse_named(rest, settings),
        _ => {
            return Err(format!(
                "`{url}` is no WebSocket URL; write ws://HOST:PORT/PATH, with --protocol or as \
                 ws+PROTOCOL://"
            ));
        }
    };
    parsed.map_err(|error| bad_url(&error))
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
