//! What is published on a channel.

use polysock_protocols::{Close, Message};

/// What is published on a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// What its subscribers get.
    pub push: Push,
    /// What it is called: the same one is published once within a minute.
    pub id: Option<String>,
    /// What the one before it is called: it is waited for, some seconds.
    pub prev_id: Option<String>,
    /// Who has sent it, for subscribers that do not get what is their own.
    pub sender: Option<String>,
}

/// What subscribers get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Push {
    /// Nothing: what was published is not for WebSockets.
    #[default]
    Nothing,
    /// A message.
    Message(Message),
    /// Their connections are closed.
    Close(Close),
}

impl From<Push> for Publication {
    fn from(push: Push) -> Self {
        Self {
            push,
            ..Self::default()
        }
    }
}

impl From<Message> for Publication {
    fn from(message: Message) -> Self {
        Push::Message(message).into()
    }
}
