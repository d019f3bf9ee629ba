//! A WebSocket server, in any protocol: `ws://HOST:PORT/PATH`, `ws+hixie76://…`.

use bytes::Bytes;
use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::{Context, Dial, PROTOCOLS, Protocol, Request, find_protocol};

use super::{Client, Upstream, UpstreamError, UpstreamSettings, UrlError, tcp};
use crate::connection::Connection;
use crate::random::entropy;

/// What of a client's request its upstream is told, beside what the protocol itself needs.
const FORWARDED: &[&str] = &["cookie", "authorization", "user-agent", "accept-language"];

/// A WebSocket server.
#[derive(Clone, Debug)]
pub struct WebSocketUpstream {
    protocol: &'static dyn Protocol,
    /// Host and port to connect to.
    address: String,
    /// What the `Host` field says.
    host: ByteString,
    /// The path and query; where there is none, the client's own target is asked for.
    target: Option<ByteString>,
    settings: UpstreamSettings,
}

impl WebSocketUpstream {
    /// Reads `HOST[:PORT][/PATH]` for the protocol of this name.
    ///
    /// # Errors
    ///
    /// The protocol is unknown, or the host missing.
    pub fn parse(name: &str, rest: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        let protocol = find_protocol(name).ok_or_else(|| UrlError::Protocol(name.to_owned()))?;
        let (authority, target) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let error = |problem| UrlError::Address {
            url: format!("ws://{rest}"),
            problem,
        };
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.contains(']'));
        let address = if has_port {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let (host, port) = address.rsplit_once(':').unwrap_or_default();
        if host.is_empty() {
            return Err(error("the host is missing: write ws://HOST:PORT/PATH"));
        }
        if port.parse::<u16>().is_err() {
            return Err(error("the port is not a number up to 65535"));
        }
        let host = ByteString::from(address.strip_suffix(":80").unwrap_or(&address));
        let target = match target {
            "" | "/" => None,
            target if target.starts_with('?') => Some(format!("/{target}").into()),
            target => Some(ByteString::from(target)),
        };
        Ok(Self {
            protocol,
            address,
            host,
            target,
            settings,
        })
    }

    /// Reads `PROTOCOL://HOST[:PORT][/PATH]`, the protocol without its hyphen.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_named(rest: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        let (scheme, rest) = rest
            .split_once("://")
            .ok_or_else(|| UrlError::Scheme(format!("ws+{rest}")))?;
        let protocol = PROTOCOLS
            .iter()
            .find(|protocol| protocol.name().replace('-', "") == scheme)
            .ok_or_else(|| UrlError::Protocol(scheme.to_owned()))?;
        Self::parse(protocol.name(), rest, settings)
    }

    /// Connects and performs the opening handshake for what is dialled; the host is filled in,
    /// and the target of the URL where it has one.
    ///
    /// # Errors
    ///
    /// The server is not there, or refuses.
    pub async fn dial(&self, dial: Dial) -> Result<Connection, UpstreamError> {
        let dial = Dial {
            host: self.host.clone(),
            target: self.target.clone().unwrap_or(dial.target),
            ..dial
        };
        let context = Context {
            secure: false,
            limits: self.settings.limits,
            compression: self.settings.compression,
            entropy,
        };
        let connecting = async {
            let stream = tcp::connect(&self.address).await?;
            let session = self.settings.session;
            super::dial(stream, self.protocol, &dial, &context, session).await
        };
        self.settings.in_time(connecting).await
    }

    /// What is asked of the server for a client that asks for this.
    fn dial_for(&self, request: &Request) -> Dial {
        let forwarded = FORWARDED.iter().flat_map(|name| {
            let values = request.head.values(name);
            values.map(|value| (ByteString::from_static(name), Bytes::copy_from_slice(value)))
        });
        let mut subprotocols = request.subprotocols.clone();
        if !self.protocol.lists_subprotocols() {
            // Of what the client knows, the one that carries bytes over text comes first.
            subprotocols.sort_by_key(|name| name != "base64");
            subprotocols.truncate(1);
        }
        Dial {
            target: request.target.clone(),
            origin: request.origin.clone(),
            subprotocols,
            fields: forwarded.collect(),
            ..Dial::default()
        }
    }
}

impl Upstream for WebSocketUpstream {
    fn connect<'a>(
        &'a self,
        client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connection, UpstreamError>> {
        Box::pin(self.dial(self.dial_for(client.request)))
    }
}
