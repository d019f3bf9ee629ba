//! A set of clients.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polysock_protocols::{Message, SharedMessage};

use super::Client;
use crate::broadcast::Mailbox;

/// A set of clients that are sent messages together, from any thread. A client is contained at most
/// once, until it is detached: do that in [`on_close`](super::Component::on_close).
#[derive(Default)]
pub struct Clients {
    /// Ordered by mailbox group, so that the clients of one thread are adjacent.
    members: Mutex<BTreeMap<(usize, u64), Client>>,
}

impl Clients {
    /// Creates an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a client.
    pub fn attach(&self, client: &Client) {
        self.lock().insert(place(client), client.clone());
    }

    /// Removes a client. Returns true if it was contained.
    pub fn detach(&self, client: &Client) -> bool {
        self.lock().remove(&place(client)).is_some()
    }

    /// Whether the set contains a client.
    pub fn contains(&self, client: &Client) -> bool {
        self.lock().contains_key(&place(client))
    }

    /// Returns the number of clients.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Returns the current clients, in the order in which they connected.
    pub fn all(&self) -> Vec<Client> {
        let mut all: Vec<_> = self.lock().values().cloned().collect();
        all.sort_unstable_by_key(Client::id);
        all
    }

    /// Sends a message to all clients. The message is encoded once for all connections with the
    /// same encoding.
    pub fn send(&self, message: impl Into<Message>) {
        self.send_if(message, |_| true);
    }

    /// Sends a message to the clients for which the predicate holds.
    pub fn send_if(&self, message: impl Into<Message>, is_for: impl Fn(&Client) -> bool) {
        let message = Arc::new(SharedMessage::new(message.into()));
        let members = self.lock();
        let receivers = members.values().filter(|client| is_for(client));
        Mailbox::send_to_all(receivers.map(Client::mailbox), &message);
    }

    /// Returns all clients but one.
    pub fn others<'a>(&'a self, than: &'a Client) -> Others<'a> {
        Others {
            clients: self,
            than,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(usize, u64), Client>> {
        // Each operation leaves the map consistent, so a panic cannot break it.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the key of a client in the map: its mailbox group (one for each thread), then its id.
fn place(client: &Client) -> (usize, u64) {
    (client.mailbox().group(), client.id())
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("len", &self.len()).finish()
    }
}

/// All clients but one, from [`Clients::others`].
#[derive(Clone, Copy, Debug)]
pub struct Others<'a> {
    clients: &'a Clients,
    than: &'a Client,
}

impl Others<'_> {
    /// Sends a message to these clients, as [`Clients::send`] does.
    pub fn send(self, message: impl Into<Message>) {
        self.clients.send_if(message, |client| client != self.than);
    }
}
