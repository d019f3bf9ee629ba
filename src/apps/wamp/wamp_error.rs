//! The error answer to a call.

use std::borrow::Cow;

use super::json::Json;

/// The default error URI, as Autobahn names it.
pub(super) const GENERIC: &str = "http://api.wamp.ws/error#generic";

/// The error URI for failures of the server.
const INTERNAL: &str = "http://api.wamp.ws/error#internal";

/// The error answer to a call: a URI that names the error, a text for people, and optional details.
///
/// ```
/// use polysock::apps::wamp::{Json, WampError};
///
/// let error = WampError::new("there is no such room").uri("http://example.com/error#room");
/// let error = error.details(Json::of(&[1, 2])?);
/// assert_eq!(error.to_string(), "there is no such room");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[error("{description}")]
pub struct WampError {
    pub(super) uri: Cow<'static, str>,
    pub(super) description: Cow<'static, str>,
    pub(super) details: Option<Json>,
    pub(super) closes: bool,
}

impl WampError {
    /// Creates an error with this text, and with Autobahn's generic URI,
    /// `http://api.wamp.ws/error#generic`.
    pub fn new(description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            uri: GENERIC.into(),
            description: description.into(),
            details: None,
            closes: false,
        }
    }

    /// Creates the error for an unknown procedure.
    pub fn no_procedure(procedure: &str) -> Self {
        Self::new(format!("no procedure {procedure}"))
    }

    /// Creates an error for a failure of the server.
    pub(super) fn internal(description: &'static str) -> Self {
        Self::new(description).uri(INTERNAL)
    }

    /// Sets the URI that names the error.
    #[must_use]
    pub fn uri(self, uri: impl Into<Cow<'static, str>>) -> Self {
        Self {
            uri: uri.into(),
            ..self
        }
    }

    /// Sets details for the calling program; `null` means none.
    #[must_use]
    pub fn details(self, details: Json) -> Self {
        Self {
            details: (details.get() != "null").then_some(details),
            ..self
        }
    }

    /// Makes the server close the client after this answer, with 3000, as Autobahn does.
    #[must_use]
    pub fn closing(self) -> Self {
        Self {
            closes: true,
            ..self
        }
    }
}

impl From<serde_json::Error> for WampError {
    fn from(error: serde_json::Error) -> Self {
        Self::new(error.to_string())
    }
}
