//! Sessions that are requested from a web app over HTTP.

use std::sync::Arc;

use futures_core::future::BoxFuture;
use http_body_util::{BodyExt, Limited};
use polysock::protocols::hide_secrets;
use polysock::upstream::{UpstreamSettings, UrlError};
use polysock::{Endpoint, Question, Visitor};

use super::{MAX_JSON, json};
use crate::session::{SessionError, SessionKey, Sessions};
use crate::values::Values;

/// Sessions that are requested from a web app, in whatever language it is written. The request is a
/// `GET` with the `Cookie` and the `Origin` of the client, and with the other fields of
/// [`Question::about`]. The answer 200 with a JSON object is the session, 204 means that there is
/// none, and 401 or 403 refuses the client.
#[derive(Clone, Debug)]
pub struct HttpSessions {
    endpoint: Endpoint,
    place: Arc<str>,
}

impl HttpSessions {
    /// Creates the sessions of the app at this URL: `http://HOST[:PORT]/PATH`, or `https://…`.
    ///
    /// # Errors
    ///
    /// The URL is not valid for a web server.
    pub fn new(url: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        Ok(Self {
            endpoint: Endpoint::new(url, settings)?,
            place: hide_secrets(url).into(),
        })
    }

    async fn ask(&self, question: &Question) -> Result<Option<Values>, SessionError> {
        let unavailable = |text: String| SessionError::Unavailable(text);
        let answer = self.endpoint.ask(question).await;
        let answer = answer.map_err(|failed| unavailable(failed.error.to_string()))?;
        match answer.status().as_u16() {
            200 => {
                let body = Limited::new(answer.into_body(), MAX_JSON).collect().await;
                let body = body.map_err(|error| unavailable(error.to_string()))?;
                json(&body.to_bytes()).map(Some)
            }
            204 => Ok(None),
            status @ (401 | 403) => Err(SessionError::Refused(status)),
            status => Err(unavailable(format!("the app answered {status}"))),
        }
    }
}

impl Sessions for HttpSessions {
    fn place(&self) -> &str {
        &self.place
    }

    fn key(&self, visitor: Visitor<'_>) -> Option<SessionKey> {
        Some(SessionKey::Question(Question::about(visitor, &[])))
    }

    fn read<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> BoxFuture<'a, Result<Option<Values>, SessionError>> {
        Box::pin(async move {
            match key {
                SessionKey::Question(question) => self.ask(question).await,
                SessionKey::Id(_) | SessionKey::Cookie(_) => Ok(None),
            }
        })
    }
}
