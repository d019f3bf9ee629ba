//! A WebSocket server, in any protocol: `ws://HOST:PORT/PATH`, `ws+hixie76://…`, `wss://…`.

use std::sync::Arc;

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::{Context, Dial, Fields, PROTOCOLS, Protocol, hide_secrets};

use super::connector::Connector;
use super::dial::{self, Answer};
use super::forwarding::RequestOrigin;
use super::header_policy::FieldMap;
use super::location::{Location, problem_of};
use super::target::joined;
use super::{Client, Connected, Refusal, Upstream, UpstreamError, UpstreamSettings, UrlError};
use crate::connection::Connection;
use crate::random::entropy;
use crate::telemetry::{HandshakeKeeper, KeptHandshake};
use crate::transport::{Alpn, Peer};

const AUTHORIZATION: &str = "authorization";

const ORIGIN: &str = "origin";

/// A WebSocket server.
#[derive(Clone, Debug)]
pub struct WebSocketUpstream {
    protocol: &'static dyn Protocol,
    connector: Connector,
    /// Whether the server speaks TLS.
    is_tls: bool,
    /// The value of the `Host` field.
    host: ByteString,
    /// The path and query of the URL; `None` if it has neither.
    target: Option<ByteString>,
    /// The `Authorization` field for the user in the URL, or nothing.
    authorization: Fields,
    settings: UpstreamSettings,
    /// The URL with its secrets hidden, for the log.
    shown: Arc<str>,
}

impl WebSocketUpstream {
    /// Reads `ws://HOST[:PORT][/PATH]`, which is of RFC 6455, or `ws+PROTOCOL://…`, with the name
    /// of the protocol without its hyphen; over TLS, `wss://…` and `wss+PROTOCOL://…`. A user and a
    /// password before the host become an `Authorization` field.
    ///
    /// # Errors
    ///
    /// The scheme or the protocol is unknown, the host is missing, or the URL contains blanks,
    /// control characters or a fragment.
    pub fn parse(url: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        let other = || UrlError::Scheme(hide_secrets(url).into_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(other)?;
        let scheme = scheme.to_ascii_lowercase();
        let (scheme, name) = scheme.split_once('+').unwrap_or((&scheme, "rfc6455"));
        if !["ws", "wss"].contains(&scheme) {
            return Err(other());
        }
        let protocol = PROTOCOLS
            .iter()
            .find(|protocol| protocol.name().replace('-', "") == name)
            .ok_or_else(|| UrlError::Protocol(name.to_owned()))?;
        let location = Location::read(url, rest, scheme == "wss")?;
        let authorization = location.authorization();
        Ok(Self {
            protocol: *protocol,
            is_tls: location.is_tls(),
            connector: Connector::new(url, &location, &settings, Alpn::Http)?,
            host: location.host(),
            target: location.target(),
            authorization: authorization
                .map_err(|problem| problem_of(url, problem))?
                .into_iter()
                .map(|value| (AUTHORIZATION, value))
                .collect(),
            settings,
            shown: hide_secrets(url).into(),
        })
    }

    /// Changes the protocol.
    #[must_use]
    pub fn with_protocol(self, protocol: &'static dyn Protocol) -> Self {
        Self { protocol, ..self }
    }

    /// Connects and performs the opening handshake. The host and the limits of the answer are
    /// filled in, and so is the user of the URL if `dial` has no `Authorization` field. The target
    /// is joined with that of the URL: a path that ends in `/` is put before the target's path, any
    /// other replaces it, and the target's query is appended to that of the URL.
    ///
    /// # Errors
    ///
    /// The server is unreachable, or refuses.
    pub async fn dial(&self, dial: Dial) -> Result<Connection, UpstreamError> {
        let dial = Dial {
            host: self.settings.forward.host(None, &self.host),
            ..dial
        };
        Ok(self.reach(dial, None).await?.connection)
    }

    async fn reach(&self, dial: Dial, peer: Option<&Peer>) -> Result<Connected, UpstreamError> {
        let mut dial = Dial {
            target: joined(self.target.as_ref(), dial.target)?,
            answer: self.settings.head,
            secure: self.is_tls,
            ..dial
        };
        if !dial.fields.has(AUTHORIZATION) {
            dial.fields.extend(self.authorization.clone());
        }
        let context = Context {
            secure: self.is_tls,
            limits: self.settings.limits,
            compression: self.settings.compression,
            entropy,
        };
        let is_kept = peer.is_some_and(|peer| peer.extensions.get::<KeptHandshake>().is_some());
        let kept = HandshakeKeeper::new(is_kept);
        let connecting = async {
            let transport = self.connector.connect(peer).await?;
            let session = self.settings.session;
            dial::answer(transport, self.protocol, &dial, &context, session, kept).await
        };
        let answered = self.settings.in_time(connecting).await;
        match answered.map_err(|error| self.connector.as_tls_error(error))? {
            Answer::Accepted {
                connection,
                response,
            } => {
                let mut fields = response.head.end_to_end();
                self.settings.forward.response.apply(&mut fields, None);
                Ok(Connected {
                    target: Some(Arc::clone(&self.shown)),
                    fields,
                    ..connection.held_to(&self.settings.terms).into()
                })
            }
            Answer::Refused {
                response,
                transport,
                incoming,
            } => {
                let refusal = Refusal {
                    policy: self.settings.forward.response.clone(),
                    ..Refusal::read(response, transport, incoming).await
                };
                Err(UpstreamError::Refused(Box::new(refusal)))
            }
        }
    }

    /// Returns the request to the server for a client.
    fn dial_for(&self, client: Client<'_>) -> Result<Dial, UpstreamError> {
        let Client { request, peer } = client;
        let forward = &self.settings.forward;
        let mut subprotocols = request.subprotocols.clone();
        if !self.protocol.lists_subprotocols() {
            // Only one can be offered: `base64`, which carries bytes as text, if the client offers
            // it.
            subprotocols.sort_by_key(|name| name != "base64");
            subprotocols.truncate(1);
        }
        // The URL's `Authorization` replaces the client's.
        let is_not_ours = |(name, _): &(ByteString, _)| {
            !(name.eq_ignore_ascii_case(AUTHORIZATION) && self.authorization.has(name))
        };
        let mut fields = request.head.end_to_end();
        fields.extend(
            request
                .origin
                .clone()
                .map(|origin| (ORIGIN, origin.into_bytes())),
        );
        let asking = RequestOrigin {
            peer,
            secure: request.secure,
            host: Some(&request.host),
        };
        forward.rewrite_fields(&mut fields, asking);
        // `Origin` has a field of its own in `Dial`, as its name differs between the protocols.
        let origin = fields.value(ORIGIN);
        let origin = origin.and_then(|origin| ByteString::try_from(origin).ok());
        fields.remove_all(&|name| name.eq_ignore_ascii_case(ORIGIN));
        Ok(Dial {
            host: forward.host(Some(&request.host), &self.host),
            target: forward.target(&request.target, peer)?,
            origin,
            subprotocols,
            fields: fields.into_iter().filter(is_not_ours).collect(),
            ..Dial::default()
        })
    }
}

impl Upstream for WebSocketUpstream {
    fn connect<'a>(
        &'a self,
        client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connected, UpstreamError>> {
        Box::pin(async move {
            let dial = self.dial_for(client)?;
            self.reach(dial, Some(client.peer)).await
        })
    }
}
