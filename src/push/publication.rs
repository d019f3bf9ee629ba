//! Publications on a channel.

use bytes::Bytes;
use polysock_protocols::{Close, Message};

/// A publication on a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// The content for WebSocket subscribers.
    pub push: Push,
    /// The content for held requests (`Grip-Hold`).
    pub held: HeldPush,
    /// The id. A second publication with the same id within a minute is discarded. `None` if it has
    /// none.
    pub id: Option<String>,
    /// The id of the predecessor, for which delivery waits some seconds. `None` to wait for none.
    pub prev_id: Option<String>,
    /// The sender, for subscribers that do not receive their own publications. `None` if unknown.
    pub sender: Option<String>,
    /// The subscribers that receive it.
    pub audience: Audience,
}

/// The selection of a channel's subscribers, by their ids: the session of a WAMP client, or the
/// `Connection-Id` of a web app's client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// The subscribers to exclude.
    pub except: Vec<String>,
    /// The only subscribers to include. `None` for all.
    pub only: Option<Vec<String>>,
}

impl Audience {
    /// Returns true if a subscriber, with its id if it has one, is selected.
    pub(crate) fn includes(&self, id: Option<&str>) -> bool {
        let is_in = |ids: &[String]| ids.iter().any(|one| Some(&**one) == id);
        !is_in(&self.except) && self.only.as_deref().is_none_or(is_in)
    }
}

/// The content for WebSocket subscribers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Push {
    /// Nothing: the publication is not for WebSockets.
    #[default]
    Nothing,
    /// A message.
    Message(Message),
    /// The close of their connections.
    Close(Close),
}

/// The content for held requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HeldPush {
    /// The message for WebSockets, as an event of `text/event-stream`, a line of any other stream,
    /// or the body of an answer. A close ends streams.
    #[default]
    Same,
    /// Separate formats, each `None` if the publication has none for such requests.
    Formats {
        /// The content for requests that are held as streams (`http-stream`).
        stream: Option<StreamPush>,
        /// The content for requests that wait for their answer (`http-response`).
        response: Option<ResponsePush>,
    },
}

/// The content for a request that is held as a stream (`http-stream`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamPush {
    /// Bytes to append to the body.
    Content(Bytes),
    /// A hint that the web app has new content.
    Hint,
    /// The end of the body.
    Close,
}

/// The content for a request that waits for its answer (`http-response`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponsePush {
    /// The answer.
    Answer(HeldAnswer),
    /// A hint that the web app has new content: the request is sent to the web app again.
    Hint,
}

/// The answer to a held request (`http-response`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldAnswer {
    /// The status: 200 to 999.
    pub status: u16,
    /// The reason phrase, if it differs from the standard one. HTTP/2 has none.
    pub reason: Option<String>,
    /// Fields by name and value, which replace the fields of the same name in the web app's first
    /// answer. The other fields of that answer stay.
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
