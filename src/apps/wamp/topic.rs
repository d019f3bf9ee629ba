//! The topics of a server, by their names.

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

/// The topics of one or several servers. Clones share the same topics, and all methods can be
/// called from any thread.
///
/// A topic exists while it has subscribers or handles. Publishing to a topic without subscribers
/// leaves nothing behind.
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

/// The client ids of the sessions.
#[derive(Default)]
struct Sessions(Mutex<HashMap<SessionId, u64>>);

/// The channels that topics are joined to.
struct Joined {
    channels: Channels,
    /// The prefix before a topic's name in the channel by which nodes share its events.
    scope: String,
}

/// A handle of a topic. Handles with the same name refer to the same topic, even if all its
/// subscribers were replaced meanwhile.
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
    /// The part that the callbacks of channels hold. The rest would unsubscribe when dropped, which
    /// must not happen while a channel is locked.
    subscribers: Arc<Subscribers>,
    /// The subscriptions to channels, while the topic has subscribers.
    receiving: Mutex<Option<[Receiving; 2]>>,
    /// The number of handles. It becomes zero, or rises from zero, only while the topics are
    /// locked.
    handles: AtomicUsize,
    registry: Weak<Registry>,
}

/// The subscribers of a topic.
struct Subscribers {
    topic: Arc<str>,
    clients: Clients,
    sessions: Arc<Sessions>,
}

impl Topics {
    /// Creates an empty set of topics.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the topic of this name, whether it has subscribers or not.
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

    /// Joins the topics to channels: a publication on the channel of the same name becomes an event
    /// of the topic, if it is JSON. If the channels have a [node](crate::Node), events are sent to
    /// the topics of other nodes that are joined with the same scope, and to no others, whatever
    /// their channels are called.
    ///
    /// Only the first call has an effect. Call it before any client subscribes.
    pub fn join(&self, channels: &Channels, scope: &str) {
        self.0.joined.get_or_init(|| Joined {
            channels: channels.clone(),
            scope: format!("{scope} "),
        });
    }

    /// Returns the number of topics that have subscribers or handles.
    pub fn len(&self) -> usize {
        self.0.topics().len()
    }

    /// Whether there are no topics.
    pub fn is_empty(&self) -> bool {
        self.0.topics().is_empty()
    }

    /// Returns the current topics, in no particular order.
    pub fn all(&self) -> Vec<Topic> {
        let topics = self.0.topics();
        topics
            .values()
            .map(|inner| Topic::new(Arc::clone(inner)))
            .collect()
    }

    /// Creates the id of a new session for a client.
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
        // Each operation leaves both maps consistent, so a panic cannot break them.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the sorted client ids of these sessions; unknown sessions are ignored.
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
    /// Creates a handle. The topics must be locked, or another handle must exist.
    fn new(inner: Arc<Inner>) -> Self {
        inner.handles.fetch_add(1, Ordering::Relaxed);
        Self(inner)
    }

    /// Returns the name of the topic, a URI.
    pub fn name(&self) -> &str {
        &self.0.subscribers.topic
    }

    /// Returns the number of subscribers.
    pub fn len(&self) -> usize {
        self.0.subscribers.clients.len()
    }

    /// Whether the topic has no subscribers.
    pub fn is_empty(&self) -> bool {
        self.0.subscribers.clients.is_empty()
    }

    /// Returns the current subscribers, in the order in which they connected.
    pub fn subscribers(&self) -> Vec<WampClient> {
        let subscribers = self.0.subscribers.clients.all();
        subscribers.iter().filter_map(WampClient::of).collect()
    }

    /// Whether a client is subscribed.
    pub fn contains(&self, client: &WampClient) -> bool {
        self.0.subscribers.clients.contains(client.client())
    }

    /// Sends an event to all subscribers. It is serialized once, and encoded once for all
    /// connections with the same encoding.
    pub fn broadcast(&self, event: &RawValue) {
        self.broadcast_to(event, &Receivers::all());
    }

    /// Sends an event to those subscribers that are among the receivers.
    pub fn broadcast_to(&self, event: &RawValue, receivers: &Receivers) {
        let registry = self.0.registry.upgrade();
        let joined = registry
            .as_deref()
            .and_then(|registry| registry.joined.get());
        match joined.filter(|joined| joined.channels.has_node()) {
            // The channel delivers the event to this node too.
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
    /// Sends an event to those subscribers that are among the receivers.
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

    /// Sends a publication on a channel of the topic as an event, if it is JSON text.
    fn pushed(&self, publication: &Publication) {
        let Push::Message(Message::Text(text)) = &publication.push else {
            return;
        };
        match Json::parse(&**text) {
            Ok(event) => self.send(&event, &Receivers::of(&publication.audience)),
            Err(error) => {
                debug!(topic = %self.topic, %error, "the publication is not an event: it is not JSON");
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
        // The code that detaches the last subscriber holds a handle, whose drop comes here
        // afterwards.
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
