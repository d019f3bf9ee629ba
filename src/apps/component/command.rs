//! Actions as values.

use std::fmt;

use polysock_protocols::{Close, Message};

use super::Client;

/// An action on clients. A [`Decider`](super::Decider) returns commands, and
/// [`Deciding`](super::Deciding) executes them.
///
/// Two commands are equal if they do the same to the same clients, so that tests can compare them.
/// A [`Run`](Self::Run) is equal to no command, not even to itself, because its effect is unknown.
#[derive(Default)]
pub enum Command {
    /// Does nothing.
    #[default]
    Nothing,
    /// Sends a message to a client.
    Send(Client, Message),
    /// Closes a client: first calls [`on_close`](super::Decider::on_close) and executes the
    /// returned command, then closes the connection after the messages sent so far.
    Close(Client, Close),
    /// Executes several commands, one after another.
    All(Vec<Self>),
    /// Calls the function with the client, and executes the command that it returns.
    Run(Client, Box<dyn FnOnce(&Client) -> Self + Send>),
}

impl Command {
    /// Sends a message to a client.
    pub fn send(client: &Client, message: impl Into<Message>) -> Self {
        Self::Send(client.clone(), message.into())
    }

    /// Closes a client.
    pub fn close(client: &Client, close: impl Into<Close>) -> Self {
        Self::Close(client.clone(), close.into())
    }

    /// Calls a function with the client, and executes the command that it returns.
    pub fn run<C: Into<Self>>(
        client: &Client,
        action: impl FnOnce(&Client) -> C + Send + 'static,
    ) -> Self {
        Self::Run(client.clone(), Box::new(|client| action(client).into()))
    }

    /// Executes this command, then the next.
    #[must_use]
    pub fn then(self, next: impl Into<Self>) -> Self {
        [self, next.into()].into_iter().collect()
    }
}

/// Omits [`Nothing`](Command::Nothing), and flattens nested lists.
impl FromIterator<Self> for Command {
    fn from_iter<I: IntoIterator<Item = Self>>(commands: I) -> Self {
        let mut all = Vec::new();
        for command in commands {
            match command {
                Self::Nothing => {}
                Self::All(more) => all.extend(more),
                other => all.push(other),
            }
        }
        match all.len() {
            0 | 1 => all.pop().unwrap_or_default(),
            _ => Self::All(all),
        }
    }
}

impl From<()> for Command {
    fn from((): ()) -> Self {
        Self::Nothing
    }
}

impl From<Option<Self>> for Command {
    fn from(command: Option<Self>) -> Self {
        command.unwrap_or_default()
    }
}

impl From<Vec<Self>> for Command {
    fn from(commands: Vec<Self>) -> Self {
        commands.into_iter().collect()
    }
}

impl PartialEq for Command {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing, Self::Nothing) => true,
            (Self::Send(client, message), Self::Send(other, same)) => {
                client == other && message == same
            }
            (Self::Close(client, close), Self::Close(other, same)) => {
                client == other && close == same
            }
            (Self::All(commands), Self::All(others)) => commands == others,
            _ => false,
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Send(client, message) => write!(f, "Send({}, {message:?})", client.id()),
            Self::Close(client, close) => write!(f, "Close({}, {close:?})", client.id()),
            Self::All(commands) => f.debug_tuple("All").field(commands).finish(),
            Self::Run(client, _) => write!(f, "Run({}, …)", client.id()),
        }
    }
}

#[cfg(test)]
mod tests {
    use polysock_protocols::CloseCode;

    use super::*;

    #[test]
    fn lists_are_flattened_and_empty_commands_removed() {
        let ann = Client::unconnected();
        let hello = || Command::send(&ann, "hello");
        let bye = || Command::close(&ann, CloseCode::NORMAL);
        for (command, expected) in [
            (Command::from(()), Command::Nothing),
            (Command::from(None), Command::Nothing),
            (Command::from(Some(hello())), hello()),
            (Command::from(vec![]), Command::Nothing),
            (Command::from(vec![hello(), Command::Nothing]), hello()),
            (hello().then(bye()), Command::All(vec![hello(), bye()])),
            (
                Command::Nothing.then(hello().then(hello())).then(bye()),
                Command::All(vec![hello(), hello(), bye()]),
            ),
        ] {
            assert_eq!(command, expected);
        }
    }

    #[test]
    fn commands_with_the_same_effect_on_the_same_client_are_equal() {
        let (ann, bob) = (Client::unconnected(), Client::unconnected());
        assert_eq!(Command::send(&ann, "a"), Command::send(&ann.clone(), "a"));
        for other in [
            Command::Nothing,
            Command::send(&bob, "a"),
            Command::send(&ann, "b"),
            Command::Send(ann.clone(), Message::binary("a")),
            Command::close(&ann, CloseCode::NORMAL),
            Command::run(&ann, |_| ()),
        ] {
            assert_ne!(Command::send(&ann, "a"), other);
        }
        assert_ne!(Command::run(&ann, |_| ()), Command::run(&ann, |_| ()));
    }
}
