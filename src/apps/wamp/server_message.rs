//! The messages from servers.

use std::fmt;

use serde_json::value::RawValue;

use super::session_id::SessionId;
use super::wamp_error::WampError;

/// A message from a server, which is text.
///
/// ```
/// use polysock::apps::wamp::{RawValue, ServerMessage};
///
/// let topic = "http://example.com/t";
/// let message = ServerMessage::Event { topic, event: RawValue::NULL };
/// assert_eq!(message.to_text(), r#"[8,"http://example.com/t",null]"#);
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum ServerMessage<'a> {
    /// The first message, with the client's session and the WAMP version 1.
    Welcome {
        /// The session of the client.
        session: SessionId,
    },
    /// The result of a call.
    CallResult {
        /// The id of the call, as the client wrote it.
        id: &'a RawValue,
        /// The result.
        result: &'a RawValue,
    },
    /// The error of a call.
    CallError {
        /// The id of the call, as the client wrote it.
        id: &'a RawValue,
        /// The error.
        error: &'a WampError,
    },
    /// An event of a topic.
    Event {
        /// The full URI of the topic.
        topic: &'a str,
        /// The event, as it was written.
        event: &'a RawValue,
    },
}

/// The server name in the welcome message.
const IDENT: &str = concat!("Polysock/", env!("CARGO_PKG_VERSION"));

impl ServerMessage<'_> {
    /// Returns the message as text.
    pub fn to_text(&self) -> String {
        match self {
            Self::Welcome { session } => format!("[0,\"{session}\",1,\"{IDENT}\"]"),
            Self::CallResult { id, result } => list("[3,", id.get(), result.get()),
            Self::CallError { id, error } => {
                let (uri, description) = (string(&error.uri), string(&error.description));
                match &error.details {
                    None => format!("[4,{id},{uri},{description}]"),
                    Some(details) => format!("[4,{id},{uri},{description},{}]", details.get()),
                }
            }
            Self::Event { topic, event } => list("[8,", &string(topic), event.get()),
        }
    }
}

/// Concatenates a list of three elements; `first` includes the opening bracket and the comma.
fn list(first: &str, second: &str, third: &str) -> String {
    let mut list = String::with_capacity(first.len() + second.len() + third.len() + 2);
    list.push_str(first);
    list.push_str(second);
    list.push(',');
    list.push_str(third);
    list.push(']');
    list
}

fn string(text: &str) -> String {
    serde_json::to_string(text).expect("a string has JSON")
}

// Debug output must not reveal the content of messages in logs.
impl fmt::Debug for ServerMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Welcome { .. } => "Welcome",
            Self::CallResult { .. } => "CallResult",
            Self::CallError { .. } => "CallError",
            Self::Event { .. } => "Event",
        })
    }
}
