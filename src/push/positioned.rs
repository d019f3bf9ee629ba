//! Messages for clients that are told how much of a channel they have got.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use polysock_protocols::Message;
use serde_json::{Value, json};

use super::delivery::Position;

/// A message of a channel, and how much of the channel its receiver has got with it.
pub(super) fn message(position: Option<Position>, message: &Message) -> Message {
    text(&value(position, message))
}

/// The same, as a value.
pub(crate) fn value(position: Option<Position>, message: &Message) -> Value {
    let at = at(position);
    match message {
        Message::Text(text) => json!({ "at": at, "text": &**text }),
        Message::Binary(bytes) => json!({ "at": at, "base64": BASE64_STANDARD.encode(bytes) }),
    }
}

/// What comes first: how much it has, and whether it gets all that it has missed.
pub(super) fn beginning(position: Option<Position>, is_whole: bool) -> Message {
    text(&json!({ "at": at(position), "recovered": is_whole }))
}

/// Something is missing: so many, where that is known.
pub(super) fn gap(lost: Option<u64>) -> Message {
    text(&json!({ "missing": lost }))
}

fn at(position: Option<Position>) -> Option<String> {
    position.map(|position| position.to_string())
}

fn text(value: &Value) -> Message {
    Message::text(value.to_string())
}
