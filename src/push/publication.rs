//! What is published on a channel.

use bytes::Bytes;
use polysock_protocols::{Close, Message};

/// What is published on a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// What its subscribers get.
    pub push: Push,
    /// What ordinary requests get that are held for it (`Grip-Hold`).
    pub held: HeldPush,
    /// What it is called: the same one is published once within a minute.
    pub id: Option<String>,
    /// What the one before it is called: it is waited for, some seconds.
    pub prev_id: Option<String>,
    /// Who has sent it, for subscribers that do not get what is their own.
    pub sender: Option<String>,
    /// Which of the subscribers it is for.
    pub audience: Audience,
}

/// Which of the subscribers of a channel something is for, by their ids: the session of a client of WAMP, the
/// `Connection-Id` of a web app's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// Not these.
    pub except: Vec<String>,
    /// Where it is for some: these alone.
    pub only: Option<Vec<String>>,
}

impl Audience {
    /// Whether a subscriber is among them, by its id if it has one.
    pub(crate) fn includes(&self, id: Option<&str>) -> bool {
        let is_in = |ids: &[String]| ids.iter().any(|one| Some(&**one) == id);
        !is_in(&self.except) && self.only.as_deref().is_none_or(is_in)
    }
}

/// What subscribers get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Push {
    /// Nothing: the publication is not for WebSockets.
    #[default]
    Nothing,
    /// A message.
    Message(Message),
    /// Their connections are closed.
    Close(Close),
}

/// What ordinary requests get that are held for a publication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HeldPush {
    /// The message that WebSockets get: an event of `text/event-stream`, a line of any other stream, the body of an
    /// answer. A close ends streams.
    #[default]
    Same,
    /// The formats that are made for them, where there are any.
    Formats {
        /// For requests that are held as streams (`http-stream`).
        stream: Option<StreamPush>,
        /// For requests that wait for their answer (`http-response`).
        response: Option<ResponsePush>,
    },
}

/// What a request gets that is held as a stream (`http-stream`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamPush {
    /// These bytes, behind those that it had before.
    Content(Bytes),
    /// There is something new, which its web app knows.
    Hint,
    /// The end of its body.
    Close,
}

/// What a request gets that waits for its answer (`http-response`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponsePush {
    /// This answer.
    Answer(HeldAnswer),
    /// There is something new, which its web app knows: it is asked again.
    Hint,
}

/// The answer to a request that waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldAnswer {
    /// The status: 200 to 999.
    pub status: u16,
    /// The reason phrase, where it is not the status's own. HTTP/2 has none.
    pub reason: Option<String>,
    /// Fields by name and value. They replace those of the web app's first answer that have the same name; the others
    /// of that stay.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
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
