//! A WebSocket server, in any protocol: `ws://HOST:PORT/PATH`, `ws+hixie76://…`.

use bytes::Bytes;
use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::{Context, Dial, Fields, PROTOCOLS, Protocol, Request, hide_secrets};

use super::location::{Location, problem_of};
use super::{Client, Upstream, UpstreamError, UpstreamSettings, UrlError, tcp};
use crate::connection::Connection;
use crate::random::entropy;

/// What of a client's request its upstream is told, beside what the protocol itself needs.
const FORWARDED: &[&str] = &["cookie", "authorization", "user-agent", "accept-language"];

const AUTHORIZATION: &str = "authorization";

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
    /// The `Authorization` field that the URL makes, or nothing.
    authorization: Fields,
    settings: UpstreamSettings,
}

impl WebSocketUpstream {
    /// Reads `ws://HOST[:PORT][/PATH]`, which is of RFC 6455, or `ws+PROTOCOL://…`, the protocol
    /// without its hyphen. A user and a password before the host become an `Authorization` field.
    ///
    /// # Errors
    ///
    /// The scheme or the protocol is another, the host is missing, or the URL has what it may not
    /// have: blanks, control characters, a fragment.
    pub fn parse(url: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        let other = || UrlError::Scheme(hide_secrets(url).into_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(other)?;
        let scheme = scheme.to_ascii_lowercase();
        let protocol = match scheme.split_once('+').unwrap_or((&scheme, "rfc6455")) {
            ("ws", name) => PROTOCOLS
                .iter()
                .find(|protocol| protocol.name().replace('-', "") == name)
                .ok_or_else(|| UrlError::Protocol(name.to_owned()))?,
            ("wss", _) => return Err(UrlError::Tls(hide_secrets(url).into_owned())),
            _ => return Err(other()),
        };
        let location = Location::read(url, rest)?;
        let authorization = location.authorization();
        Ok(Self {
            protocol: *protocol,
            address: location.address(80),
            host: location.host(),
            target: location.target(),
            authorization: authorization
                .map_err(|problem| problem_of(url, problem))?
                .into_iter()
                .map(|value| (AUTHORIZATION, value))
                .collect(),
            settings,
        })
    }

    /// The same server, spoken to in this protocol.
    #[must_use]
    pub fn with_protocol(self, protocol: &'static dyn Protocol) -> Self {
        Self { protocol, ..self }
    }

    /// Connects and performs the opening handshake for what is dialled; the host is filled in,
    /// the limits of the answer, the target of the URL where it has one, and its user where nobody
    /// else is authorised.
    ///
    /// # Errors
    ///
    /// The server is not there, or refuses.
    pub async fn dial(&self, dial: Dial) -> Result<Connection, UpstreamError> {
        let mut dial = Dial {
            host: self.host.clone(),
            target: self.target.clone().unwrap_or(dial.target),
            answer: self.settings.head,
            ..dial
        };
        if !dial.fields.has(AUTHORIZATION) {
            dial.fields.extend(self.authorization.clone());
        }
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
        // The client's own is for a gateway that has none.
        let is_ours =
            |name: &str| name.eq_ignore_ascii_case(AUTHORIZATION) && self.authorization.has(name);
        Dial {
            target: request.target.clone(),
            origin: request.origin.clone(),
            subprotocols,
            fields: forwarded.filter(|(name, _)| !is_ours(name)).collect(),
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
