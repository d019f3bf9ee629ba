//! A component that says what is to be done instead of doing it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use polysock_protocols::{Close, CloseCode, Message};

use super::client::Client;
use super::command::Command;
use super::component::Component;
use crate::error::BoxError;

/// A component that says what is to be done instead of doing it. It knows no socket and does nothing
/// itself, so that a test calls it and compares what it returns:
///
/// ```
/// use polysock::Message;
/// use polysock::apps::component::{Client, Command, Decider};
///
/// #[derive(Default)]
/// struct Chat {
///     clients: Vec<Client>,
/// }
///
/// impl Decider for Chat {
///     fn on_open(&mut self, client: &Client) -> Command {
///         self.clients.push(client.clone());
///         Command::Nothing
///     }
///
///     fn on_message(&mut self, from: &Client, message: Message) -> Command {
///         let others = self.clients.iter().filter(|client| *client != from);
///         others.map(|client| Command::send(client, message.clone())).collect()
///     }
///
///     fn on_close(&mut self, client: &Client) -> Command {
///         self.clients.retain(|other| other != client);
///         Command::Nothing
///     }
/// }
///
/// let mut chat = Chat::default();
/// let (ann, bob) = (Client::unconnected(), Client::unconnected());
/// chat.on_open(&ann);
/// chat.on_open(&bob);
/// let decided = chat.on_message(&ann, "hello".into());
/// assert_eq!(decided, Command::send(&bob, "hello"));
/// ```
///
/// It is served as `ws(Deciding::new(Chat::default()))`.
pub trait Decider: Send + 'static {
    /// A client has connected.
    fn on_open(&mut self, client: &Client) -> Command {
        let _ = client;
        Command::Nothing
    }

    /// A client has sent a message.
    fn on_message(&mut self, from: &Client, message: Message) -> Command;

    /// A client has gone, or is about to be [closed](Command::Close); told once of each.
    fn on_close(&mut self, client: &Client) -> Command {
        let _ = client;
        Command::Nothing
    }

    /// Something has failed for a client.
    fn on_error(&mut self, client: &Client, error: BoxError) -> Command {
        let _ = error;
        Command::close(client, CloseCode::INTERNAL_ERROR)
    }

    /// The subprotocols that it speaks, as [`Component::subprotocols`].
    fn subprotocols(&self) -> &'static [&'static str] {
        &[]
    }
}

/// The [`Component`] that asks a [`Decider`] and does what it says: one event of all its clients at a
/// time, with all that follows from it.
pub struct Deciding<D> {
    decider: Mutex<D>,
    subprotocols: &'static [&'static str],
}

/// In the bag of a client whose [`on_close`](Decider::on_close) was asked.
#[derive(Clone, Copy)]
struct Departed;

/// What is done next.
enum Step {
    Do(Command),
    /// What is left of a close once [`on_close`](Decider::on_close) was asked.
    Close(Client, Close),
}

impl<D: Decider> Deciding<D> {
    /// Asks this one.
    pub fn new(decider: D) -> Self {
        Self {
            subprotocols: decider.subprotocols(),
            decider: Mutex::new(decider),
        }
    }

    /// Has something decided and does it, until nothing is left.
    fn decide(&self, decide: impl FnOnce(&mut D) -> Command) {
        // One that panicked has ended its client. It is asked again as if it had not.
        let mut decider = self.decider.lock().unwrap_or_else(PoisonError::into_inner);
        let decider = &mut *decider;
        let mut steps = VecDeque::from([Step::Do(decide(decider))]);
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Do(Command::Nothing) => {}
                Step::Do(Command::Send(client, message)) => client.send(message),
                Step::Do(Command::Close(client, close)) => {
                    let farewell = depart(decider, &client);
                    steps.push_front(Step::Close(client, close));
                    steps.push_front(Step::Do(farewell));
                }
                Step::Close(client, close) => client.close(close),
                Step::Do(Command::All(commands)) => {
                    for command in commands.into_iter().rev() {
                        steps.push_front(Step::Do(command));
                    }
                }
                Step::Do(Command::Run(client, action)) => {
                    steps.push_front(Step::Do(action(&client)));
                }
            }
        }
    }
}

/// What [`on_close`](Decider::on_close) says, where it was not asked before.
fn depart<D: Decider>(decider: &mut D, client: &Client) -> Command {
    match client.insert(Departed) {
        Some(Departed) => Command::Nothing,
        None => decider.on_close(client),
    }
}

impl<D: Decider> Component for Deciding<D> {
    async fn on_open(&self, client: &Client) -> Result<(), BoxError> {
        self.decide(|decider| decider.on_open(client));
        Ok(())
    }

    async fn on_message(&self, from: &Client, message: Message) -> Result<(), BoxError> {
        self.decide(|decider| decider.on_message(from, message));
        Ok(())
    }

    async fn on_close(&self, client: &Client) {
        self.decide(|decider| depart(decider, client));
    }

    async fn on_error(&self, client: &Client, error: BoxError) {
        self.decide(|decider| decider.on_error(client, error));
    }

    fn subprotocols(&self) -> &[&str] {
        self.subprotocols
    }
}

impl<D> fmt::Debug for Deciding<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deciding").finish_non_exhaustive()
    }
}
