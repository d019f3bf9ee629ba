//! A broker inside a process.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use tokio::sync::mpsc;

use super::{Bus, Command, Event, Link, Place, Topic};
use crate::error::BoxError;

/// A broker inside a process, for tests. Clones share the broker. [`stop`](Self::stop) and
/// [`start`](Self::start) interrupt its service.
///
/// ```
/// use std::sync::Arc;
///
/// use polysock::bus::Local;
/// use polysock::{Channels, Message, Node};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (here, there, broker) = (Channels::new(), Channels::new(), Local::new());
/// let _nodes = [&here, &there].map(|channels| Node::start(channels, Arc::new(broker.clone())));
/// let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
/// let _receiving = there.receive(Some("news"), move |_, publication| {
///     let _ = heard.send(publication.push.clone());
/// });
/// # let publish = async { loop {
/// here.publish("news", Message::text("hello"));
/// # tokio::time::sleep(std::time::Duration::from_millis(10)).await; } };
/// # tokio::select! { _ = hears.recv() => {} () = publish => {} }
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Local {
    shared: Arc<Mutex<Shared>>,
    /// The number of publications kept of each channel. `None` without a history.
    history: Option<usize>,
}

#[derive(Default)]
struct Shared {
    links: BTreeMap<u64, Subscriber>,
    next: u64,
    kept: HashMap<Arc<str>, VecDeque<(u64, Bytes)>>,
    last: HashMap<Arc<str>, u64>,
    is_stopped: bool,
}

struct Subscriber {
    events: mpsc::UnboundedSender<Event>,
    topics: HashSet<Topic>,
}

struct LocalLink {
    broker: Local,
    number: u64,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Local {
    /// Creates a broker without a history.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a broker that keeps the last `len` publications of each channel.
    pub fn with_history(len: usize) -> Self {
        Self {
            history: Some(len),
            ..Self::default()
        }
    }

    /// Ends all connections and refuses new ones.
    pub fn stop(&self) {
        let mut shared = self.lock();
        shared.is_stopped = true;
        shared.links.clear();
    }

    /// Accepts connections again.
    pub fn start(&self) {
        self.lock().is_stopped = false;
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bus for Local {
    fn connect(&self) -> BoxFuture<'static, Result<Box<dyn Link>, BoxError>> {
        let broker = self.clone();
        Box::pin(async move {
            let (tell, events) = mpsc::unbounded_channel();
            let mut shared = broker.lock();
            if shared.is_stopped {
                return Err("the broker is stopped".into());
            }
            let number = shared.next;
            shared.next += 1;
            let subscriber = Subscriber {
                events: tell,
                topics: HashSet::new(),
            };
            shared.links.insert(number, subscriber);
            drop(shared);
            let link: Box<dyn Link> = Box::new(LocalLink {
                broker,
                number,
                events,
            });
            Ok(link)
        })
    }

    fn has_history(&self) -> bool {
        self.history.is_some()
    }
}

impl Link for LocalLink {
    fn command(&mut self, command: Command) {
        let mut shared = self.broker.lock();
        match command {
            Command::Subscribe(topic) => {
                let last = match &topic {
                    Topic::Channel(channel) => shared.last.get(channel).copied(),
                    Topic::Channels | Topic::Nodes | Topic::Bare(_) => None,
                };
                if let Some(subscriber) = shared.links.get_mut(&self.number) {
                    subscriber.topics.insert(topic.clone());
                }
                shared.tell(self.number, Event::Subscribed { topic, last });
            }
            Command::Unsubscribe(topic) => {
                if let Some(subscriber) = shared.links.get_mut(&self.number) {
                    subscriber.topics.remove(&topic);
                }
            }
            Command::Publish {
                topic,
                envelope,
                ticket,
            } => {
                if !shared.links.contains_key(&self.number) {
                    return;
                }
                shared.publish(&topic, &envelope, self.broker.history);
                shared.tell(self.number, Event::Published { ticket });
            }
            Command::Past {
                channel,
                after,
                most,
                ticket,
            } => {
                let kept = shared.kept.get(&channel).into_iter().flatten();
                let entries = kept.filter(|(offset, _)| *offset > after).take(most);
                let entries: Vec<_> = entries.cloned().collect();
                let last = shared.last.get(&channel).copied().unwrap_or(0);
                let is_whole = match entries.first() {
                    Some((first, _)) => *first == after + 1,
                    None => last <= after,
                };
                let past = Event::Past {
                    ticket,
                    entries,
                    is_whole,
                };
                shared.tell(self.number, past);
            }
        }
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Event, BoxError>> {
        Box::pin(async {
            let event = self.events.recv().await;
            event.ok_or_else(|| "the broker closed the connection".into())
        })
    }
}

impl Shared {
    fn publish(&mut self, topic: &Topic, envelope: &Bytes, history: Option<usize>) {
        let place = match (topic, history) {
            (Topic::Channel(channel), Some(len)) => Some(self.keep(channel, envelope, len)),
            _ => None,
        };
        let is_channel = matches!(topic, Topic::Channel(_));
        for subscriber in self.links.values() {
            let topics = &subscriber.topics;
            if topics.contains(topic) || (is_channel && topics.contains(&Topic::Channels)) {
                // A send to a closed link fails, which is harmless.
                let _ = subscriber.events.send(Event::Came {
                    topic: topic.clone(),
                    envelope: envelope.clone(),
                    place,
                });
            }
        }
    }

    fn keep(&mut self, channel: &Arc<str>, envelope: &Bytes, len: usize) -> Place {
        let last = self.last.entry(Arc::clone(channel)).or_default();
        let previous = *last;
        *last += 1;
        let kept = self.kept.entry(Arc::clone(channel)).or_default();
        kept.push_back((*last, envelope.clone()));
        if kept.len() > len {
            kept.pop_front();
        }
        Place {
            offset: *last,
            previous,
        }
    }

    fn tell(&self, number: u64, event: Event) {
        if let Some(subscriber) = self.links.get(&number) {
            let _ = subscriber.events.send(event);
        }
    }
}

impl Drop for LocalLink {
    fn drop(&mut self) {
        self.broker.lock().links.remove(&self.number);
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}
