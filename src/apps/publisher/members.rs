//! The members of items and of their formats.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};
use thiserror::Error;

/// The reason why no item of a body is published.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(in crate::apps) enum ItemsError {
    #[error("Body is not valid JSON.")]
    Json,
    #[error("Invalid format: {0}")]
    Format(&'static str),
}

/// The action of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Send,
    Close,
    Hint,
}

impl Action {
    pub(super) fn of(format: &Map<String, Value>) -> Result<Self, ItemsError> {
        let action = text(
            format,
            "action",
            ItemsError::Format("action is not a string"),
        )?;
        match action.unwrap_or("send") {
            "send" => Ok(Self::Send),
            "close" => Ok(Self::Close),
            "hint" => Ok(Self::Hint),
            _ => Err(ItemsError::Format("action is none of send, close and hint")),
        }
    }
}

/// Returns a member that is a string; `None` if it is missing.
pub(super) fn text<'a>(
    of: &'a Map<String, Value>,
    name: &str,
    error: ItemsError,
) -> Result<Option<&'a str>, ItemsError> {
    match of.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(error),
    }
}

/// Decodes base64.
pub(super) fn bytes(encoded: &str, error: ItemsError) -> Result<Bytes, ItemsError> {
    STANDARD.decode(encoded).map(Bytes::from).map_err(|_| error)
}
