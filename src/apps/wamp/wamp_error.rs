//! The answer to a call that failed.

use std::borrow::Cow;

use super::json::Json;

/// The error that is given where nothing else is said, as Autobahn names it.
pub(super) const GENERIC: &str = "http://api.wamp.ws/error#generic";

/// The error of a server that does not do what it should.
const INTERNAL: &str = "http://api.wamp.ws/error#internal";

/// The answer to a call that failed: a URI that names the error, a text for people, and details, if there
/// are any.
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
    /// An error with this text, of the URI that Autobahn has for any error,
    /// `http://api.wamp.ws/error#generic`.
    pub fn new(description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            uri: GENERIC.into(),
            description: description.into(),
            details: None,
            closes: false,
        }
    }

    /// That nothing is called so.
    pub fn no_procedure(procedure: &str) -> Self {
        Self::new(format!("no procedure {procedure}"))
    }

    /// That we have failed.
    pub(super) fn internal(description: &'static str) -> Self {
        Self::new(description).uri(INTERNAL)
    }

    /// The URI that names the error.
    #[must_use]
    pub fn uri(self, uri: impl Into<Cow<'static, str>>) -> Self {
        Self {
            uri: uri.into(),
            ..self
        }
    }

    /// Details for the program that called; `null` is none.
    #[must_use]
    pub fn details(self, details: Json) -> Self {
        Self {
            details: (details.get() != "null").then_some(details),
            ..self
        }
    }

    /// Has the client closed behind this answer, with 3000, as Autobahn does.
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
