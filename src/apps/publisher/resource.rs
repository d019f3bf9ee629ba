//! The resource that a request addresses, by its path.

use std::fmt;

use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;

/// The resource that a request addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    /// The list of paths.
    Root,
    /// Publishes items of GRIP.
    Items,
    /// Publishes the body on this channel.
    Channel(String),
    /// The history of this channel.
    History(String),
    /// The presence on this channel.
    Presence(String),
}

/// An error response: its status and text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ErrorResponse(pub(super) StatusCode, pub(super) String);

pub(super) fn told(status: StatusCode, text: impl fmt::Display) -> ErrorResponse {
    ErrorResponse(status, format!("{text}\n"))
}

impl Resource {
    pub(super) fn of(path: &str) -> Result<Self, ErrorResponse> {
        match path {
            "/" => return Ok(Self::Root),
            "/publish" | "/publish/" => return Ok(Self::Items),
            _ => {}
        }
        let named = |resource| {
            path.strip_prefix(resource)
                .filter(|name: &&str| !name.is_empty())
        };
        let (name, of): (_, fn(String) -> Self) = if let Some(name) = named("/channels/") {
            (name, Self::Channel)
        } else if let Some(name) = named("/history/") {
            (name, Self::History)
        } else if let Some(name) = named("/presence/") {
            (name, Self::Presence)
        } else {
            return Err(told(
                StatusCode::NOT_FOUND,
                "unknown path: use /publish/, /channels/NAME, /history/NAME or /presence/NAME",
            ));
        };
        match percent_decode_str(name).decode_utf8() {
            Ok(name) => Ok(of(name.into_owned())),
            Err(_) => Err(told(
                StatusCode::BAD_REQUEST,
                "the name of the channel is not UTF-8",
            )),
        }
    }

    /// Returns the method of the resource.
    pub(super) fn method(&self) -> Method {
        match self {
            Self::Items | Self::Channel(_) => Method::POST,
            Self::Root | Self::History(_) | Self::Presence(_) => Method::GET,
        }
    }
}
