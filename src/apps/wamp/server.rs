//! A WAMP server, as a component.

use std::fmt;

use polysock_protocols::Message;
use tracing::debug;

use super::call::{CallId, PendingCall};
use super::client::WampClient;
use super::client_message::ClientMessage;
use super::dialect::{Dialect, spread};
use super::limits::Limits;
use super::message_error::MessageError;
use super::server_message::ServerMessage;
use super::topic::Topics;
use super::wamp::Wamp;
use crate::apps::component::{Client, Component};
use crate::error::BoxError;
use crate::push::Channels;

/// The [`Component`] that speaks WAMP, version 1, and calls a [`Wamp`]:
/// `ws(WampServer::new(application))`.
///
/// The server speaks the subprotocol `wamp`, and refuses clients that do not offer it (400). A
/// client is closed with 1007 and a reason if it sends an invalid message, with 1008 if it exceeds
/// its [`Limits`], and with 1003 if it sends binary messages. Protocols without close codes are
/// closed in their own way.
///
/// ```
/// use polysock::apps::component::ws;
/// use polysock::apps::wamp::{Broker, Dialect, WampServer};
/// use polysock::Gateway;
///
/// // For pages that were written for Ratchet.
/// let server = WampServer::new(Broker).dialect(Dialect::Ratchet);
/// let gateway = Gateway::new(ws(server));
/// ```
pub struct WampServer<W> {
    wamp: W,
    topics: Topics,
    dialect: Dialect,
    is_ported: bool,
    requires_subprotocol: bool,
    limits: Limits,
}

impl<W: Wamp> WampServer<W> {
    /// Creates a server for this application.
    pub fn new(wamp: W) -> Self {
        Self {
            wamp,
            topics: Topics::new(),
            dialect: Dialect::default(),
            is_ported: false,
            requires_subprotocol: true,
            limits: Limits::default(),
        }
    }

    /// Uses existing topics, for example those of another server or of an application that
    /// publishes.
    #[must_use]
    pub fn with_topics(self, topics: Topics) -> Self {
        Self { topics, ..self }
    }

    /// Joins the topics to channels, see [`Topics::join`].
    #[must_use]
    pub fn on_channels(self, channels: &Channels, scope: &str) -> Self {
        self.topics.join(channels, scope);
        self
    }

    /// Sets the family of servers for which the pages were written; Autobahn by default.
    #[must_use]
    pub fn dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// Sets whether calls are handled as by applications ported from Ratchet: a single list
    /// argument is unwrapped into the arguments, and `#` is inserted between a prefix's URI and the
    /// rest, unless the URI ends in `#`, `/`, `:` or `=`. `false` by default.
    #[must_use]
    pub fn ported_from_ratchet(self, is_ported: bool) -> Self {
        Self { is_ported, ..self }
    }

    /// Sets whether clients have to offer the subprotocol `wamp`; `true` by default. Some clients
    /// do not offer it, such as AutobahnJS with `skipSubprotocolAnnounce`.
    #[must_use]
    pub fn require_subprotocol(self, requires_subprotocol: bool) -> Self {
        Self {
            requires_subprotocol,
            ..self
        }
    }

    /// Sets the limits on the requests of one client.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Returns the topics, for publishing from elsewhere.
    pub fn topics(&self) -> Topics {
        self.topics.clone()
    }

    async fn handle(
        &self,
        client: &WampClient,
        message: ClientMessage<'_>,
    ) -> Result<(), MessageError> {
        let session = &client.session;
        let resolve = |uri| session.resolve(uri, self.is_ported, &self.limits);
        match message {
            ClientMessage::Prefix { prefix, uri } => {
                session.define(&prefix, &uri, &self.limits)?;
            }
            ClientMessage::Call {
                id,
                procedure,
                args,
            } => {
                let procedure = resolve(procedure)?;
                let args = match self.is_ported {
                    true => spread(args, &self.limits)?,
                    false => args,
                };
                if session.waiting() >= self.limits.calls {
                    return Err(MessageError::TooMany {
                        what: "unanswered calls",
                        max: self.limits.calls,
                    });
                }
                let asked = PendingCall::new(client, id);
                let call = CallId(&asked);
                let answer = self.wamp.on_call(client, call, &procedure, args).await;
                asked.answer(answer);
            }
            ClientMessage::Subscribe { topic } => {
                let topic = resolve(topic)?;
                if session.is_subscribed(&topic) {
                    return Ok(());
                }
                if session.subscriptions() >= self.limits.subscriptions {
                    return Err(MessageError::TooMany {
                        what: "subscriptions",
                        max: self.limits.subscriptions,
                    });
                }
                let topic = self.topics.get(&topic);
                if self.wamp.on_subscribe(client, &topic).await {
                    session.subscribe(topic.name());
                    topic.attach(client);
                }
            }
            ClientMessage::Unsubscribe { topic } => {
                let topic = resolve(topic)?;
                if session.unsubscribe(&topic) {
                    let topic = self.topics.get(&topic);
                    topic.detach(client);
                    self.wamp.on_unsubscribe(client, &topic).await;
                }
            }
            ClientMessage::Publish {
                topic,
                event,
                exclude,
                eligible,
            } => {
                let topic = self.topics.get(&resolve(topic)?);
                let receivers = self.dialect.receivers(session.id, exclude, eligible);
                self.wamp
                    .on_publish(client, &topic, event, &receivers)
                    .await;
            }
        }
        Ok(())
    }
}

impl<W: Wamp> Component for WampServer<W> {
    async fn on_open(&self, client: &Client) -> Result<(), BoxError> {
        let session = self.topics.begin_session(client);
        let client = WampClient::begin(client, session);
        client.tell(ServerMessage::Welcome { session });
        self.wamp.on_open(&client).await
    }

    async fn on_message(&self, from: &Client, message: Message) -> Result<(), BoxError> {
        let Some(client) = WampClient::of(from) else {
            return Ok(());
        };
        let handled = match &message {
            Message::Text(text) => match ClientMessage::read(text, &self.limits) {
                Ok(message) => self.handle(&client, message).await,
                Err(error) => Err(error),
            },
            Message::Binary(_) => Err(MessageError::Binary),
        };
        if let Err(error) = handled {
            debug!(
                client = from.id(),
                protocol = from.protocol(),
                %error,
                "invalid WAMP message"
            );
            from.close(error.close());
        }
        Ok(())
    }

    async fn on_close(&self, client: &Client) {
        let Some(client) = WampClient::of(client) else {
            return;
        };
        for topic in client.session.leave() {
            self.topics.get(&topic).detach(&client);
        }
        self.topics.end_session(client.session());
        self.wamp.on_close(&client).await;
    }

    fn subprotocols(&self) -> &[&str] {
        &["wamp"]
    }

    fn requires_subprotocol(&self) -> bool {
        self.requires_subprotocol
    }
}

impl<W> fmt::Debug for WampServer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WampServer")
            .field("topics", &self.topics)
            .field("dialect", &self.dialect)
            .field("is_ported", &self.is_ported)
            .field("requires_subprotocol", &self.requires_subprotocol)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
