//! One client of a server of WAMP.

use std::sync::Arc;

use polysock_protocols::Close;
use serde_json::value::RawValue;

use super::server_message::ServerMessage;
use super::session::Session;
use super::session_id::SessionId;
use crate::apps::component::Client;

/// One client of a server of WAMP. Clones are the same client.
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
    /// One that begins a session.
    pub(super) fn begin(client: &Client, id: SessionId) -> Self {
        let session = Arc::new(Session::new(id));
        client.insert(InBag(Arc::clone(&session)));
        Self {
            client: client.clone(),
            session,
        }
    }

    /// The client whose session has begun.
    pub(super) fn of(client: &Client) -> Option<Self> {
        let InBag(session) = client.get()?;
        Some(Self {
            client: client.clone(),
            session,
        })
    }

    /// Its session, which it was told at the beginning.
    pub fn session(&self) -> SessionId {
        self.session.id
    }

    /// The client below: who it is, what it asked for, its bag. What is sent there goes out as it is, and has
    /// to be a message of WAMP.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends an event to this client alone, whether it is subscribed or not; clients pass over events of
    /// topics that they are not subscribed to.
    pub fn event(&self, topic: &str, event: &RawValue) {
        self.tell(ServerMessage::Event { topic, event });
    }

    /// Whether it is subscribed to a topic, by its full URI.
    pub fn is_subscribed(&self, topic: &str) -> bool {
        self.session.is_subscribed(topic)
    }

    /// Closes the connection behind what was sent before.
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
