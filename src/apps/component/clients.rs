//! Many clients.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polysock_protocols::{Message, SharedMessage};

use super::Client;
use crate::broadcast::Mailbox;

/// Clients that are sent something together, from any thread. A client stands in it once, and stays until
/// it is detached: that is done in [`on_close`](super::Component::on_close).
#[derive(Default)]
pub struct Clients {
    /// Those whose messages wait in one place stand side by side.
    members: Mutex<BTreeMap<(usize, u64), Client>>,
}

impl Clients {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a client.
    pub fn attach(&self, client: &Client) {
        self.lock().insert(place(client), client.clone());
    }

    /// Takes a client away; whether it was there.
    pub fn detach(&self, client: &Client) -> bool {
        self.lock().remove(&place(client)).is_some()
    }

    /// Whether a client is there.
    pub fn contains(&self, client: &Client) -> bool {
        self.lock().contains_key(&place(client))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Those that are there now, in the order in which they connected.
    pub fn all(&self) -> Vec<Client> {
        let mut all: Vec<_> = self.lock().values().cloned().collect();
        all.sort_unstable_by_key(Client::id);
        all
    }

    /// Sends a message to all of them. It is encoded once for all whose connections write the same.
    pub fn send(&self, message: impl Into<Message>) {
        self.send_if(message, |_| true);
    }

    /// Sends a message to those that this is true of.
    pub fn send_if(&self, message: impl Into<Message>, is_for: impl Fn(&Client) -> bool) {
        let message = Arc::new(SharedMessage::new(message.into()));
        let members = self.lock();
        let receivers = members.values().filter(|client| is_for(client));
        Mailbox::send_to_all(receivers.map(Client::mailbox), &message);
    }

    /// All but one.
    pub fn others<'a>(&'a self, than: &'a Client) -> Others<'a> {
        Others {
            clients: self,
            than,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(usize, u64), Client>> {
        // The map is whole between any two operations, so a panic cannot break it.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a client stands: beside those of the same thread.
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
    /// Sends a message to them, as [`Clients::send`] does.
    pub fn send(self, message: impl Into<Message>) {
        self.clients.send_if(message, |client| client != self.than);
    }
}
