//! A client of a WAMP server.

use std::sync::Arc;

use polysock_protocols::Close;
use serde_json::value::RawValue;

use super::server_message::ServerMessage;
use super::session::Session;
use super::session_id::SessionId;
use crate::apps::component::Client;

/// A client of a WAMP server. Clones refer to the same client.
///
/// ```
/// use polysock::apps::wamp::{Json, Topic, Wamp, WampClient};
///
/// struct News;
///
/// impl Wamp for News {
///     // Whoever is new is told the latest at once.
///     async fn on_subscribe(&self, client: &WampClient, topic: &Topic) -> bool {
///         client.event(topic.name(), &Json::from("nothing new"));
///         true
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct WampClient {
    client: Client,
    pub(super) session: Arc<Session>,
}

/// The session of a client, in its bag.
#[derive(Clone)]
struct InBag(Arc<Session>);

impl WampClient {
    /// Begins a session for a client.
    pub(super) fn begin(client: &Client, id: SessionId) -> Self {
        let session = Arc::new(Session::new(id));
        client.insert(InBag(Arc::clone(&session)));
        Self {
            client: client.clone(),
            session,
        }
    }

    /// Returns the WAMP client of a client; `None` if it has no session.
    pub(super) fn of(client: &Client) -> Option<Self> {
        let InBag(session) = client.get()?;
        Some(Self {
            client: client.clone(),
            session,
        })
    }

    /// Returns the id of the session, which the client has received in the welcome message.
    pub fn session(&self) -> SessionId {
        self.session.id
    }

    /// Returns the underlying client, with its peer, request and bag. A message sent there is not
    /// encoded, so it must be a WAMP message.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends an event to this client alone, even if it is not subscribed; clients ignore events of
    /// topics to which they are not subscribed.
    pub fn event(&self, topic: &str, event: &RawValue) {
        self.tell(ServerMessage::Event { topic, event });
    }

    /// Whether the client is subscribed to a topic, by its full URI.
    pub fn is_subscribed(&self, topic: &str) -> bool {
        self.session.is_subscribed(topic)
    }

    /// Closes the connection after the messages sent before.
    pub fn close(&self, close: impl Into<Close>) {
        self.client.close(close);
    }

    pub(super) fn tell(&self, message: ServerMessage<'_>) {
        self.client.send(message.to_text());
    }
}

impl PartialEq for WampClient {
    fn eq(&self, other: &Self) -> bool {
        self.client == other.client
    }
}

impl Eq for WampClient {}
