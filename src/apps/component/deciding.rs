//! Components that return commands instead of executing them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use polysock_protocols::{Close, CloseCode, Message};

use super::client::Client;
use super::command::Command;
use super::component::Component;
use crate::error::BoxError;

/// A component that returns commands instead of executing them. A decider has no sockets and no
/// effects, so that a test calls it and compares the results:
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
/// Serve it as `ws(Deciding::new(Chat::default()))`.
pub trait Decider: Send + 'static {
    /// Handles a new client.
    fn on_open(&mut self, client: &Client) -> Command {
        let _ = client;
        Command::Nothing
    }

    /// Handles a message from a client.
    fn on_message(&mut self, from: &Client, message: Message) -> Command;

    /// Handles the end of a client's connection, or its imminent [close](Command::Close). Called
    /// once for each client.
    fn on_close(&mut self, client: &Client) -> Command {
        let _ = client;
        Command::Nothing
    }

    /// Handles an error for a client. By default, closes the client with 1011.
    fn on_error(&mut self, client: &Client, error: BoxError) -> Command {
        let _ = error;
        Command::close(client, CloseCode::INTERNAL_ERROR)
    }

    /// Returns the supported subprotocols, as [`Component::subprotocols`].
    fn subprotocols(&self) -> &'static [&'static str] {
        &[]
    }
}

/// The [`Component`] that calls a [`Decider`] and executes its commands: one event of all clients
/// at a time, with all commands that follow from it.
pub struct Deciding<D> {
    decider: Mutex<D>,
    subprotocols: &'static [&'static str],
}

/// The marker in the bag of a client for which [`on_close`](Decider::on_close) was called.
#[derive(Clone, Copy)]
struct Departed;

/// A step that is still to be executed.
enum Step {
    Do(Command),
    /// The rest of a close, after [`on_close`](Decider::on_close) was called.
    Close(Client, Close),
}

impl<D: Decider> Deciding<D> {
    /// Creates a component from this decider.
    pub fn new(decider: D) -> Self {
        Self {
            subprotocols: decider.subprotocols(),
            decider: Mutex::new(decider),
        }
    }

    /// Calls the decider and executes all resulting commands.
    fn decide(&self, decide: impl FnOnce(&mut D) -> Command) {
        // A panic of the decider closes one client only. The decider stays in use.
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

/// Calls [`on_close`](Decider::on_close), if it was not called before.
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
