//! The channels of a process, by name.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::time::sleep;

#[cfg(feature = "grip")]
use super::channel::Member;
use super::channel::{Channel, ChannelEvent, Receiver, Receivers};
use super::delivery::Delivery;
use super::order::PATIENCE;
use super::outlet::{Input, Outlet};
use super::presence::Attendee;
use super::publication::Publication;
#[cfg(feature = "grip")]
use crate::broadcast::Mailbox;

/// Named channels: a publication reaches all subscribers of its channel, in the same order for
/// each. Clones share the channels, and so do clients of a web app
/// ([`Grip`](crate::apps::grip::Grip)), [components](crate::apps::component::Ws::pushed) and
/// [broadcasters](crate::apps::Broadcaster::on_channel) that use them. A [`Node`](super::Node)
/// joins other processes.
///
/// A channel exists while it has a subscriber.
#[derive(Clone, Default)]
pub struct Channels {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    channels: Mutex<HashMap<Arc<str>, Arc<Mutex<Channel>>>>,
    /// The receivers of the events of every channel.
    receivers: Mutex<Receivers>,
    /// The number of the next receiver, attendee or member.
    next: AtomicU64,
    /// The connection to the node, which reaches other processes. Empty without a node.
    outlet: OnceLock<Outlet>,
}

/// A registration to receive publications, from [`Channels::receive`]. Ends when dropped.
#[derive(Debug)]
#[must_use = "nothing is told any more once it is dropped"]
pub struct Receiving {
    channels: Channels,
    name: Option<Arc<str>>,
    number: u64,
}

/// The presence of an attendee on a channel. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Attending {
    channels: Channels,
    name: Arc<str>,
    number: u64,
}

/// The subscription of a mailbox to a channel. Ends when dropped.
#[cfg(feature = "grip")]
#[derive(Debug)]
pub(crate) struct Subscribed {
    channels: Channels,
    name: Arc<str>,
    place: (usize, u64),
}

impl Channels {
    /// Creates an empty set of channels.
    pub fn new() -> Self {
        Self::default()
    }

    /// Publishes on a channel, from any thread. Never blocks. Equal encodings are made only once.
    pub fn publish(&self, name: &str, publication: impl Into<Publication>) {
        let mut delivery = Delivery::from(publication.into());
        if let Some(outlet) = self.outlet() {
            delivery.origin = Some(outlet.publish(name, &delivery.publication));
        }
        self.deliver(name, delivery);
    }

    /// Delivers a publication of any process to the subscribers in this process.
    pub(super) fn deliver(&self, name: &str, delivery: Delivery) {
        let receivers = lock(&self.shared.receivers).clone();
        let channels = lock(&self.shared.channels);
        let Some((name, channel)) = channels.get_key_value(name).map(clones) else {
            // Without subscribers there is no order to keep. New ones wait until the calls are
            // done.
            for receiver in receivers.values() {
                receiver(name, ChannelEvent::Delivered(&delivery, None));
            }
            return;
        };
        drop(channels);
        let mut locked = lock(&channel);
        let due = locked.order.admit(delivery, Instant::now());
        locked.deliver(&name, &due, &receivers);
        if locked.order.has_waiting() && !locked.is_watched {
            locked.is_watched = true;
            drop(locked);
            self.watch(name, channel);
        }
    }

    /// Reports lost publications to a channel.
    pub(super) fn gap(&self, name: &str, lost: Option<u64>) {
        let receivers = lock(&self.shared.receivers).clone();
        match self.find(name) {
            Some((name, channel)) => lock(&channel).gap(&name, lost, &receivers),
            None => receivers
                .values()
                .for_each(|receiver| receiver(name, ChannelEvent::Gap(lost))),
        }
    }

    /// Applies `look` to a channel. `None` if the channel does not exist.
    pub(super) fn look<T>(&self, name: &str, look: impl FnOnce(&mut Channel) -> T) -> Option<T> {
        let (_, channel) = self.find(name)?;
        Some(look(&mut lock(&channel)))
    }

    fn find(&self, name: &str) -> Option<(Arc<str>, Arc<Mutex<Channel>>)> {
        lock(&self.shared.channels).get_key_value(name).map(clones)
    }

    /// Spawns a task that delivers publications whose predecessor is overdue.
    fn watch(&self, name: Arc<str>, channel: Arc<Mutex<Channel>>) {
        let Ok(runtime) = Handle::try_current() else {
            // Without a runtime, waiting publications wait for the next one.
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

    /// Calls `told` for each publication on a channel, or on all (`None`), until the result is
    /// dropped. The publisher's or the node's thread makes the call, which must not block, publish
    /// or subscribe.
    pub fn receive(
        &self,
        name: Option<&str>,
        told: impl Fn(&str, &Publication) + Send + Sync + 'static,
    ) -> Receiving {
        self.tell(name, move |name, what| {
            if let ChannelEvent::Delivered(delivery, _) = what {
                told(name, &delivery.publication);
            }
        })
    }

    /// The same as [`receive`](Self::receive), with all events of a channel.
    pub(crate) fn tell(
        &self,
        name: Option<&str>,
        told: impl Fn(&str, ChannelEvent<'_>) + Send + Sync + 'static,
    ) -> Receiving {
        let number = self.number();
        let receiver: Arc<Receiver> = Arc::new(told);
        let name = match name {
            None => {
                lock(&self.shared.receivers).insert(number, receiver);
                self.to_node(|| Input::WantAll { is_wanted: true });
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

    /// Adds an attendee to a channel.
    pub(crate) fn attend(&self, name: &str, attendee: Attendee) -> Attending {
        let number = self.number();
        let name = self.with(name, |channel| {
            channel.attendees.insert(number, attendee);
        });
        Attending {
            channels: self.clone(),
            name,
            number,
        }
    }

    /// Subscribes a mailbox to a channel, without the publications of the sender `is_not`.
    #[cfg(feature = "grip")]
    pub(crate) fn subscribe(
        &self,
        name: &str,
        mailbox: Mailbox,
        attendee: Attendee,
        is_not: Option<String>,
    ) -> Subscribed {
        let member = Member {
            mailbox,
            attendee,
            is_not,
            had: None,
        };
        self.join(name, member, || {})
    }

    /// Adds a member to a channel, after calling `before` while nothing is delivered.
    #[cfg(feature = "grip")]
    pub(super) fn join(&self, name: &str, member: Member, before: impl FnOnce()) -> Subscribed {
        let place = (member.mailbox.group(), self.number());
        let name = self.with(name, |channel| {
            before();
            channel.members.insert(place, member);
        });
        Subscribed {
            channels: self.clone(),
            name,
            place,
        }
    }

    /// Sends local publications to `outlet` as well. Returns false if an outlet was already set.
    pub(super) fn attach(&self, outlet: Outlet) -> bool {
        let channels = lock(&self.shared.channels);
        let receivers = lock(&self.shared.receivers);
        if self.shared.outlet.set(outlet).is_err() {
            return false;
        }
        for channel in channels.keys() {
            let channel = Arc::clone(channel);
            self.to_node(|| Input::Want {
                channel,
                is_wanted: true,
            });
        }
        for _ in receivers.keys() {
            self.to_node(|| Input::WantAll { is_wanted: true });
        }
        true
    }

    /// Returns the connection to the node. `None` without a node.
    pub(super) fn outlet(&self) -> Option<&Outlet> {
        self.shared.outlet.get()
    }

    fn to_node(&self, input: impl FnOnce() -> Input) {
        if let Some(outlet) = self.outlet() {
            outlet.tell(input());
        }
    }

    /// Returns the number of channels.
    pub fn len(&self) -> usize {
        lock(&self.shared.channels).len()
    }

    /// Returns true if no channel exists.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn number(&self) -> u64 {
        self.shared.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Applies `change` to a channel, which is created if it does not exist.
    fn with(&self, name: &str, change: impl FnOnce(&mut Channel)) -> Arc<str> {
        let mut channels = lock(&self.shared.channels);
        let (name, channel) = match channels.get_key_value(name) {
            Some(there) => clones(there),
            None => {
                let (name, channel) = (Arc::<str>::from(name), Arc::default());
                channels.insert(Arc::clone(&name), Arc::clone(&channel));
                let channel_name = Arc::clone(&name);
                self.to_node(|| Input::Want {
                    channel: channel_name,
                    is_wanted: true,
                });
                (name, channel)
            }
        };
        // The lock on the map keeps `leave` from removing the channel.
        change(&mut lock(&channel));
        name
    }

    /// Applies `change` to a channel, and removes the channel if it is then empty.
    fn leave(&self, name: &str, change: impl FnOnce(&mut Channel)) {
        let mut channels = lock(&self.shared.channels);
        let Some((name, channel)) = channels.get_key_value(name).map(clones) else {
            return;
        };
        let mut locked = lock(&channel);
        change(&mut locked);
        if locked.is_left() {
            channels.remove(&name);
            self.to_node(|| Input::Want {
                channel: name,
                is_wanted: false,
            });
        }
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        match &self.name {
            None => {
                lock(&self.channels.shared.receivers).remove(&self.number);
                self.channels
                    .to_node(|| Input::WantAll { is_wanted: false });
            }
            Some(name) => self.channels.leave(name, |channel| {
                channel.receivers.remove(&self.number);
            }),
        }
    }
}

impl Receiving {
    /// Publishes on the channel of this registration. Does nothing if it is for all channels.
    pub(crate) fn publish(&self, publication: impl Into<Publication>) {
        if let Some(name) = &self.name {
            self.channels.publish(name, publication);
        }
    }

    /// Adds an attendee to the channel of this registration. `None` if it is for all channels.
    pub(crate) fn attend(&self, attendee: Attendee) -> Option<Attending> {
        let name = self.name.as_deref()?;
        Some(self.channels.attend(name, attendee))
    }

    /// Returns the channels and the channel's name. `None` for a registration to all channels.
    #[cfg(feature = "grip")]
    pub(crate) fn channel(&self) -> Option<(&Channels, &str)> {
        Some((&self.channels, self.name.as_deref()?))
    }
}

impl Drop for Attending {
    fn drop(&mut self) {
        self.channels.leave(&self.name, |channel| {
            channel.attendees.remove(&self.number);
        });
    }
}

#[cfg(feature = "grip")]
impl Subscribed {
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
    // The data are consistent between any two operations, so a panic cannot break them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels")
            .field("len", &self.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Otherwise the new subscriber would miss the publication unnoticed.
    #[test]
    fn a_new_receiver_waits_until_a_publication_is_delivered() {
        let channels = Channels::new();
        let (come, coming) = mpsc::channel();
        let (came, has_come) = mpsc::channel();
        let joining = channels.clone();
        let joined = thread::spawn(move || {
            coming.recv().unwrap();
            let receiving = joining.receive(Some("a"), |_, _| {});
            came.send(()).unwrap();
            receiving
        });
        let has_come = Mutex::new(has_come);
        let all = channels.receive(None, move |_, _| {
            come.send(()).unwrap();
            let too_soon = lock(&has_come).recv_timeout(Duration::from_millis(200));
            assert!(too_soon.is_err(), "it came before all were told");
        });
        channels.publish("a", Publication::default());
        let joined = joined.join().unwrap();
        drop(all);
        assert_eq!(channels.len(), 1);
        drop(joined);
        assert!(channels.is_empty());
    }
}
