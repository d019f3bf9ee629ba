//! Messages for clients that receive their position in a channel.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use polysock_protocols::Message;
use serde_json::{Value, json};

use super::delivery::Position;

/// Encodes a message of a channel with the position of its receiver after it.
pub(super) fn message(position: Option<Position>, message: &Message) -> Message {
    text(&value(position, message))
}

/// Returns the same as a JSON value.
pub(crate) fn value(position: Option<Position>, message: &Message) -> Value {
    let at = at(position);
    match message {
        Message::Text(text) => json!({ "at": at, "text": &**text }),
        Message::Binary(bytes) => json!({ "at": at, "base64": BASE64_STANDARD.encode(bytes) }),
    }
}

/// Encodes the first message: the position, and whether all missed messages will follow.
pub(super) fn beginning(position: Option<Position>, is_whole: bool) -> Message {
    text(&json!({ "at": at(position), "recovered": is_whole }))
}

/// Encodes the loss of messages: how many, or `None` if that is unknown.
pub(super) fn gap(lost: Option<u64>) -> Message {
    text(&json!({ "missing": lost }))
}

fn at(position: Option<Position>) -> Option<String> {
    position.map(|position| position.to_string())
}

fn text(value: &Value) -> Message {
    Message::text(value.to_string())
}
