//! A WebSocket server whose protocol is unknown: `ws+auto://HOST:PORT/PATH`, or `wss+auto://`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_core::future::BoxFuture;
use polysock_protocols::{DialError, Protocol, find_protocol, hide_secrets};
use tokio::time::{Instant, timeout};
use tracing::{debug, info};

use super::location::strip_scheme;
use super::{
    Client, Connected, Upstream, UpstreamError, UpstreamSettings, UrlError, WebSocketUpstream,
};

/// The protocols that are tried, in this order.
const TRIED: [&str; 5] = ["rfc6455", "hybi-10", "hybi-07", "hixie-76", "hixie-75"];

/// A WebSocket server whose protocol is found by trying one after the other until the server
/// accepts a client. The protocol is then used until a failure that may be due to the protocol.
///
/// An answer of the application, such as 401, 403, 404 or a redirection, is passed on. A status of
/// 400, 426, 500, 501 or 505, a status of 2xx, a breach of the protocol, silence and the end of the
/// connection may all mean that the server does not speak the protocol. All tries share the connect
/// timeout. Clones share the protocol that was found.
#[derive(Clone, Debug)]
pub struct AutoUpstream {
    server: WebSocketUpstream,
    connect_timeout: Duration,
    learned: Arc<Learned>,
}

#[derive(Debug, Default)]
struct Learned {
    protocol: Mutex<Option<&'static dyn Protocol>>,
    /// Held by the client that tries the protocols. Other clients wait for the result.
    learning: tokio::sync::Mutex<()>,
}

impl AutoUpstream {
    /// Reads `ws+auto://HOST[:PORT][/PATH]`, or `wss+auto://…`.
    ///
    /// # Errors
    ///
    /// The same as for [`WebSocketUpstream::parse`].
    pub fn parse(url: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        let schemes = [("ws+auto:", "ws:"), ("wss+auto:", "wss:")];
        let mut schemes = schemes.into_iter();
        let plain =
            schemes.find_map(|(scheme, plain)| Some(plain.to_owned() + strip_scheme(scheme, url)?));
        let plain = plain.ok_or_else(|| UrlError::Scheme(hide_secrets(url).into_owned()))?;
        Ok(Self {
            connect_timeout: settings.connect_timeout,
            server: WebSocketUpstream::parse(&plain, settings)?,
            learned: Arc::default(),
        })
    }

    /// Returns the protocol in which the server has accepted a client; `None` if it is unknown.
    pub fn protocol(&self) -> Option<&'static dyn Protocol> {
        *self.learned.lock()
    }

    async fn reach(&self, client: Client<'_>) -> Result<Connected, UpstreamError> {
        let end = Instant::now().checked_add(self.connect_timeout);
        if let Some(known) = self.protocol() {
            match self.ask(known, client).await {
                Err(error) if may_be_of_protocol(&error) => {
                    debug!(protocol = known.name(), %error, "the upstream may speak another protocol");
                    self.learned.forget(known);
                }
                told => return told,
            }
        }
        let _learning = self.learned.learning.lock().await;
        if let Some(known) = self.protocol() {
            // Another client has found the protocol in the meantime.
            return self.ask(known, client).await;
        }
        self.learn(client, end).await
    }

    /// Tries all protocols, each for an even share of the remaining time.
    async fn learn(
        &self,
        client: Client<'_>,
        end: Option<Instant>,
    ) -> Result<Connected, UpstreamError> {
        let mut refused: Option<UpstreamError> = None;
        let protocols = TRIED.iter().filter_map(|name| find_protocol(name));
        for (protocol, left) in protocols.zip((1..=5_u32).rev()) {
            let time = end.map_or(self.connect_timeout, |end| end - Instant::now());
            let asked = timeout(time / left, self.ask(protocol, client)).await;
            match asked.unwrap_or(Err(UpstreamError::Timeout)) {
                Ok(connected) => {
                    info!(
                        protocol = protocol.name(),
                        "learned the upstream's protocol"
                    );
                    *self.learned.lock() = Some(protocol);
                    return Ok(connected);
                }
                Err(error) if may_be_of_protocol(&error) => {
                    debug!(protocol = protocol.name(), %error, "the upstream does not speak this protocol");
                    // An answer says more than none, and the first protocol is the current one.
                    let is_answer = matches!(error, UpstreamError::Refused(_));
                    let has_answer = matches!(refused, Some(UpstreamError::Refused(_)));
                    if refused.is_none() || (is_answer && !has_answer) {
                        refused = Some(error);
                    }
                }
                told => return told,
            }
        }
        Err(refused.unwrap_or(UpstreamError::Timeout))
    }

    async fn ask(
        &self,
        protocol: &'static dyn Protocol,
        client: Client<'_>,
    ) -> Result<Connected, UpstreamError> {
        let server = self.server.clone().with_protocol(protocol);
        server.connect(client).await
    }
}

impl Upstream for AutoUpstream {
    fn connect<'a>(
        &'a self,
        client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connected, UpstreamError>> {
        Box::pin(async move {
            let reached = timeout(self.connect_timeout, self.reach(client)).await;
            reached.unwrap_or_else(|_| {
                // The server may no longer speak the protocol that was found.
                *self.learned.lock() = None;
                Err(UpstreamError::Timeout)
            })
        })
    }
}

impl Learned {
    /// Forgets a protocol, unless another has been found since.
    fn forget(&self, protocol: &'static dyn Protocol) {
        let mut known = self.lock();
        if known.is_some_and(|known| known.name() == protocol.name()) {
            *known = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<&'static dyn Protocol>> {
        // The protocol is replaced as a whole, so a panic cannot break it.
        self.protocol.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True if this error may mean that the server speaks another protocol.
fn may_be_of_protocol(error: &UpstreamError) -> bool {
    match error {
        UpstreamError::Refused(refusal) => matches!(
            refusal.response.head.status(),
            Some(200..=299 | 400 | 426 | 500 | 501 | 505)
        ),
        // A request that one protocol cannot express may be possible in another.
        UpstreamError::Handshake(
            DialError::Unsupported(_) | DialError::Head(_) | DialError::Answer(_),
        ) => true,
        UpstreamError::Io(_) | UpstreamError::Timeout => true,
        _ => false,
    }
}
