//! Topics, by their names.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use polysock_protocols::Message;
use serde_json::value::RawValue;
use tracing::debug;

use super::client::WampClient;
use super::json::Json;
use super::receivers::Receivers;
use super::server_message::ServerMessage;
use super::session_id::SessionId;
use crate::apps::component::{Client, Clients};
use crate::push::{Channels, Publication, Push, Receiving};

/// The topics of a server, or of several. Clones are the same topics, and all of it can be used from any
/// thread.
///
/// A topic is there as long as it has subscribers or somebody holds it; what is published where nobody
/// listens leaves nothing behind.
///
/// ```
/// use polysock::apps::component::ws;
/// use polysock::apps::wamp::{Broker, Json, Topics, WampServer};
/// use polysock::{BoxError, Gateway};
///
/// // Whenever there is a price, from wherever that is.
/// fn tick(topics: &Topics, price: f64) -> Result<(), BoxError> {
///     let price = Json::of(&price)?;
///     topics.get("http://example.com/prices#ACME").broadcast(&price);
///     Ok(())
/// }
///
/// let server = WampServer::new(Broker);
/// let topics = server.topics();
/// let gateway = Gateway::new(ws(server));
/// # tick(&topics, 12.5).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Topics(Arc<Registry>);

#[derive(Default)]
struct Registry {
    topics: Mutex<HashMap<Arc<str>, Arc<Inner>>>,
    sessions: Arc<Sessions>,
    joined: OnceLock<Joined>,
}

/// The clients of the sessions, by their numbers.
#[derive(Default)]
struct Sessions(Mutex<HashMap<SessionId, u64>>);

/// The channels that topics are joined to.
struct Joined {
    channels: Channels,
    /// What is before the name of a topic, in that of the channel by which nodes share its events.
    scope: String,
}

/// A topic. Handles with the same name are the same, also where all its subscribers went and others came
/// meanwhile.
///
/// ```
/// use polysock::apps::wamp::{Json, Receivers, Topics};
///
/// let topics = Topics::new();
/// let news = topics.get("http://example.com/news");
/// assert_eq!((news.name(), news.len()), ("http://example.com/news", 0));
/// news.broadcast_to(&Json::from("hello"), &Receivers::all());
/// assert_eq!(topics.len(), 1);
/// drop(news);
/// assert!(topics.is_empty());
/// ```
pub struct Topic(Arc<Inner>);

struct Inner {
    /// What channels reach, which have to be left to no one while they are locked.
    subscribers: Arc<Subscribers>,
    /// What it gets of channels, while it has subscribers.
    receiving: Mutex<Option<[Receiving; 2]>>,
    /// How many handles there are. They become none, or one again, while the topics are locked.
    handles: AtomicUsize,
    registry: Weak<Registry>,
}

/// Who is subscribed to a topic.
struct Subscribers {
    topic: Arc<str>,
    clients: Clients,
    sessions: Arc<Sessions>,
}

impl Topics {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// The topic of this name, whether it has subscribers or not.
    pub fn get(&self, name: &str) -> Topic {
        let mut topics = self.0.topics();
        let inner = match topics.get(name) {
            Some(inner) => Arc::clone(inner),
            None => {
                let name: Arc<str> = name.into();
                let inner = Arc::new(Inner {
                    subscribers: Arc::new(Subscribers {
                        topic: Arc::clone(&name),
                        clients: Clients::new(),
                        sessions: Arc::clone(&self.0.sessions),
                    }),
                    receiving: Mutex::default(),
                    handles: AtomicUsize::new(0),
                    registry: Arc::downgrade(&self.0),
                });
                topics.insert(name, Arc::clone(&inner));
                inner
            }
        };
        Topic::new(inner)
    }

    /// Joins them to channels: what is published on a channel that is called as a topic is an event of it, if it is
    /// JSON. Where the channels have a [node](crate::Node), events go to the topics of the other nodes that are
    /// joined in the same scope; others than these do not get them, whatever their channels are called.
    ///
    /// Only the first call has an effect, and before it nobody may be subscribed.
    pub fn join(&self, channels: &Channels, scope: &str) {
        self.0.joined.get_or_init(|| Joined {
            channels: channels.clone(),
            scope: format!("{scope} "),
        });
    }

    /// How many there are, with subscribers or somebody who holds them.
    pub fn len(&self) -> usize {
        self.0.topics().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.topics().is_empty()
    }

    /// Those that are there now, in no order.
    pub fn all(&self) -> Vec<Topic> {
        let topics = self.0.topics();
        topics
            .values()
            .map(|inner| Topic::new(Arc::clone(inner)))
            .collect()
    }

    /// The name of a new session, which is that of a client.
    pub(super) fn begin_session(&self, client: &Client) -> SessionId {
        let mut sessions = self.0.sessions.lock();
        loop {
            let id = SessionId::random();
            if let Entry::Vacant(place) = sessions.entry(id) {
                place.insert(client.id());
                return id;
            }
        }
    }

    pub(super) fn end_session(&self, id: SessionId) {
        self.0.sessions.lock().remove(&id);
    }
}

impl Registry {
    fn topics(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Inner>>> {
        // Both maps are whole between any two operations, so a panic cannot break them.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers of the clients of these sessions, in their order; those that are none are nobody.
    fn clients(&self, sessions: &[SessionId]) -> Vec<u64> {
        let known = self.lock();
        let mut clients: Vec<u64> = sessions
            .iter()
            .filter_map(|session| known.get(session).copied())
            .collect();
        clients.sort_unstable();
        clients
    }
}

impl Topic {
    /// A handle, while the topics are locked or there is another.
    fn new(inner: Arc<Inner>) -> Self {
        inner.handles.fetch_add(1, Ordering::Relaxed);
        Self(inner)
    }

    /// Its name, a URI.
    pub fn name(&self) -> &str {
        &self.0.subscribers.topic
    }

    /// How many subscribers it has.
    pub fn len(&self) -> usize {
        self.0.subscribers.clients.len()
    }

    /// Whether nobody is subscribed.
    pub fn is_empty(&self) -> bool {
        self.0.subscribers.clients.is_empty()
    }

    /// Those that are subscribed now, in the order in which they connected.
    pub fn subscribers(&self) -> Vec<WampClient> {
        let subscribers = self.0.subscribers.clients.all();
        subscribers.iter().filter_map(WampClient::of).collect()
    }

    /// Whether a client is subscribed.
    pub fn contains(&self, client: &WampClient) -> bool {
        self.0.subscribers.clients.contains(client.client())
    }

    /// Sends an event to all subscribers. It is written once, and encoded once for all whose connections
    /// write the same.
    pub fn broadcast(&self, event: &RawValue) {
        self.broadcast_to(event, &Receivers::all());
    }

    /// Sends an event to those of the subscribers that it is for.
    pub fn broadcast_to(&self, event: &RawValue, receivers: &Receivers) {
        let registry = self.0.registry.upgrade();
        let joined = registry
            .as_deref()
            .and_then(|registry| registry.joined.get());
        match joined.filter(|joined| joined.channels.has_node()) {
            // It comes back by way of the channel, here as on other nodes.
            Some(Joined { channels, scope }) => {
                let publication = Publication {
                    audience: receivers.audience(),
                    ..Message::text(event.get()).into()
                };
                channels.publish(&format!("{scope}{}", self.name()), publication);
            }
            None => self.0.subscribers.send(event, receivers),
        }
    }

    pub(super) fn attach(&self, client: &WampClient) {
        let mut receiving = self.0.receiving();
        self.0.subscribers.clients.attach(client.client());
        let registry = self.0.registry.upgrade();
        if receiving.is_none()
            && let Some(joined) = registry
                .as_deref()
                .and_then(|registry| registry.joined.get())
        {
            let names = [self.name().to_owned(), joined.scope.clone() + self.name()];
            *receiving = Some(names.map(|name| {
                let subscribers = Arc::clone(&self.0.subscribers);
                let pushed = move |_: &str, publication: &_| subscribers.pushed(publication);
                joined.channels.receive(Some(&name), pushed)
            }));
        }
    }

    pub(super) fn detach(&self, client: &WampClient) {
        let mut receiving = self.0.receiving();
        self.0.subscribers.clients.detach(client.client());
        if self.is_empty() {
            *receiving = None;
        }
    }
}

impl Inner {
    fn receiving(&self) -> MutexGuard<'_, Option<[Receiving; 2]>> {
        self.receiving
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscribers {
    /// Sends an event to those of the subscribers that it is for.
    fn send(&self, event: &RawValue, receivers: &Receivers) {
        if self.clients.is_empty() {
            return;
        }
        let topic = &*self.topic;
        let message = ServerMessage::Event { topic, event }.to_text();
        if receivers.is_all() {
            return self.clients.send(message);
        }
        let clients = |sessions: &Vec<SessionId>| self.sessions.clients(sessions);
        let excluded = clients(&receivers.excluded);
        let eligible = receivers.eligible.as_ref().map(clients);
        self.clients.send_if(message, |client| {
            let is_in = |clients: &[u64]| clients.binary_search(&client.id()).is_ok();
            !is_in(&excluded) && eligible.as_deref().is_none_or(is_in)
        });
    }

    /// What is published on a channel of the topic is an event, if it is a text of JSON.
    fn pushed(&self, publication: &Publication) {
        let Push::Message(Message::Text(text)) = &publication.push else {
            return;
        };
        match Json::parse(&**text) {
            Ok(event) => self.send(&event, &Receivers::of(&publication.audience)),
            Err(error) => {
                debug!(topic = %self.topic, %error, "what is published is no event: it is no JSON");
            }
        }
    }
}

impl Clone for Topic {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.0))
    }
}

impl PartialEq for Topic {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Topic {}

impl Drop for Topic {
    fn drop(&mut self) {
        let Some(registry) = self.0.registry.upgrade() else {
            return;
        };
        let mut topics = registry.topics();
        // Whoever has taken the last subscriber away holds a handle, and comes here after that.
        if self.0.handles.fetch_sub(1, Ordering::Relaxed) == 1 && self.is_empty() {
            topics.remove(self.name());
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic")
            .field("name", &self.name())
            .field("len", &self.len())
            .finish()
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics").field("len", &self.len()).finish()
    }
}
