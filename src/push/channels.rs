//! Who is subscribed to which channel.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use polysock_protocols::SharedMessage;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::order::{Order, PATIENCE};
use super::publication::{Publication, Push};
use crate::broadcast::Mailbox;

/// Channels, by their names: what is published on one reaches all who are subscribed to it, in the same order.
/// Clones are the same, and whatever shares them is joined: clients of a web app
/// ([`Grip`](crate::apps::grip::Grip)), [components](crate::apps::component::Ws::pushed),
/// [broadcasters](crate::apps::Broadcaster::on_channel).
///
/// A channel is there while somebody is subscribed to it.
#[derive(Clone, Default)]
pub struct Channels {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    channels: Mutex<HashMap<Arc<str>, Arc<Mutex<Channel>>>>,
    /// Those who are told of every channel.
    receivers: Mutex<Receivers>,
    /// The number of the next who is told.
    next: AtomicU64,
}

type Receivers = BTreeMap<u64, Arc<Receiver>>;

/// Is told of what is published, on the thread of who publishes.
type Receiver = dyn Fn(&str, &Publication) + Send + Sync;

#[derive(Default)]
struct Channel {
    /// Those whose messages wait in one place stand side by side.
    members: BTreeMap<(usize, u64), Member>,
    receivers: Receivers,
    order: Order,
    /// Whether a task sees to those that wait.
    is_watched: bool,
}

struct Member {
    mailbox: Mailbox,
    /// Whose own publications it does not get.
    is_not: Option<String>,
}

/// Is told of what is published as long as this is kept; from [`Channels::receive`].
#[must_use = "nothing is told any more once it is dropped"]
pub struct Receiving {
    channels: Channels,
    name: Option<Arc<str>>,
    number: u64,
}

/// A mailbox that is subscribed to a channel as long as this is kept.
#[cfg(feature = "grip")]
pub(crate) struct Subscribed {
    channels: Channels,
    name: Arc<str>,
    place: (usize, u64),
}

impl Channels {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Publishes on a channel. Returns at once, from any thread; it is encoded once for all whose connections write
    /// the same.
    pub fn publish(&self, name: &str, publication: impl Into<Publication>) {
        let publication = publication.into();
        let receivers = lock(&self.shared.receivers).clone();
        let channel = lock(&self.shared.channels).get_key_value(name).map(clones);
        let Some((name, channel)) = channel else {
            // Nobody is there for whom it would have an order.
            for receiver in receivers.values() {
                receiver(name, &publication);
            }
            return;
        };
        let mut locked = lock(&channel);
        let due = locked.order.admit(publication, Instant::now());
        locked.deliver(&name, &due, &receivers);
        if locked.order.has_waiting() && !locked.is_watched {
            locked.is_watched = true;
            drop(locked);
            self.watch(name, channel);
        }
    }

    /// Sees to it that none waits for ever.
    fn watch(&self, name: Arc<str>, channel: Arc<Mutex<Channel>>) {
        let Ok(runtime) = Handle::try_current() else {
            // It waits for the next that is published.
            lock(&channel).is_watched = false;
            return;
        };
        let channels = self.clone();
        runtime.spawn(async move {
            loop {
                sleep(PATIENCE).await;
                let receivers = lock(&channels.shared.receivers).clone();
                let mut channel = lock(&channel);
                let due = channel.order.give_up(Instant::now());
                channel.deliver(&name, &due, &receivers);
                if !channel.order.has_waiting() {
                    channel.is_watched = false;
                    return;
                }
            }
        });
    }

    /// Tells of what is published on a channel, or on every one, while what this returns is kept. It is called on
    /// the thread of who publishes, and must neither wait nor publish or subscribe here.
    pub fn receive(
        &self,
        name: Option<&str>,
        told: impl Fn(&str, &Publication) + Send + Sync + 'static,
    ) -> Receiving {
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let receiver: Arc<Receiver> = Arc::new(told);
        let name = match name {
            None => {
                lock(&self.shared.receivers).insert(number, receiver);
                None
            }
            Some(name) => Some(self.with(name, |channel| {
                channel.receivers.insert(number, receiver);
            })),
        };
        Receiving {
            channels: self.clone(),
            name,
            number,
        }
    }

    /// Subscribes a mailbox to a channel; what this sender publishes is not for it.
    #[cfg(feature = "grip")]
    pub(crate) fn subscribe(
        &self,
        name: &str,
        mailbox: Mailbox,
        is_not: Option<String>,
    ) -> Subscribed {
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let place = (mailbox.group(), number);
        let name = self.with(name, |channel| {
            channel.members.insert(place, Member { mailbox, is_not });
        });
        Subscribed {
            channels: self.clone(),
            name,
            place,
        }
    }

    /// How many channels there are.
    pub fn len(&self) -> usize {
        lock(&self.shared.channels).len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes a channel, which is made where it is not there.
    fn with(&self, name: &str, change: impl FnOnce(&mut Channel)) -> Arc<str> {
        let mut channels = lock(&self.shared.channels);
        let (name, channel) = match channels.get_key_value(name) {
            Some(there) => clones(there),
            None => {
                let (name, channel) = (Arc::<str>::from(name), Arc::default());
                channels.insert(Arc::clone(&name), Arc::clone(&channel));
                (name, channel)
            }
        };
        // While all are locked, nobody takes it for one without subscribers.
        change(&mut lock(&channel));
        name
    }

    /// Changes a channel that is left, and forgets it where it was the last who did.
    fn leave(&self, name: &str, change: impl FnOnce(&mut Channel)) {
        let mut channels = lock(&self.shared.channels);
        let Some(channel) = channels.get(name) else {
            return;
        };
        let mut locked = lock(channel);
        change(&mut locked);
        let is_left = locked.members.is_empty() && locked.receivers.is_empty();
        drop(locked);
        if is_left {
            channels.remove(name);
        }
    }
}

impl Channel {
    fn deliver(&mut self, name: &str, due: &[Publication], receivers: &Receivers) {
        for publication in due {
            let sender = publication.sender.as_deref();
            let is_for = |member: &&Member| sender.is_none() || member.is_not.as_deref() != sender;
            let mailboxes = self.members.values().filter(is_for);
            let mailboxes = mailboxes.map(|member| &member.mailbox);
            match &publication.push {
                Push::Nothing => {}
                Push::Message(message) => {
                    let message = Arc::new(SharedMessage::new(message.clone()));
                    Mailbox::send_to_all(mailboxes, &message);
                }
                Push::Close(close) => mailboxes.for_each(|mailbox| mailbox.close(close.clone())),
            }
            for receiver in self.receivers.values().chain(receivers.values()) {
                receiver(name, publication);
            }
        }
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        match &self.name {
            None => {
                lock(&self.channels.shared.receivers).remove(&self.number);
            }
            Some(name) => self.channels.leave(name, |channel| {
                channel.receivers.remove(&self.number);
            }),
        }
    }
}

impl Receiving {
    /// Publishes on the channel that this is told of; nowhere where that is every one.
    pub(crate) fn publish(&self, publication: impl Into<Publication>) {
        if let Some(name) = &self.name {
            self.channels.publish(name, publication);
        }
    }
}

#[cfg(feature = "grip")]
impl Subscribed {
    /// The name of the channel.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(feature = "grip")]
impl Drop for Subscribed {
    fn drop(&mut self) {
        self.channels.leave(&self.name, |channel| {
            channel.members.remove(&self.place);
        });
    }
}

fn clones<K: Clone, V: Clone>((key, value): (&K, &V)) -> (K, V) {
    (key.clone(), value.clone())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is locked is whole between any two operations, so a panic cannot break it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels")
            .field("len", &self.len())
            .finish()
    }
}

impl fmt::Debug for Receiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "grip")]
impl fmt::Debug for Subscribed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribed")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
