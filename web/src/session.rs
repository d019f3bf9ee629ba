//! A session of a web app, and the trait for its source.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock::{Question, Visitor};
use serde_json::Value as Json;
use thiserror::Error;
use tokio::time::timeout;

use crate::php::PhpError;
use crate::values::Values;

/// A source of sessions: a store, a cookie, or a web app that is asked.
pub trait Sessions: fmt::Debug + Send + Sync + 'static {
    /// Returns the source's name for the log, without secrets.
    fn place(&self) -> &str;

    /// Returns the key of a client's session, without a look-up. `None` if the client has no
    /// session.
    fn key(&self, visitor: Visitor<'_>) -> Option<SessionKey>;

    /// Reads the session with this key. `None` if there is none, or it has expired.
    ///
    /// # Errors
    ///
    /// The source cannot be reached, or the session cannot be parsed.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped if it takes too long.
    fn read<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> BoxFuture<'a, Result<Option<Values>, SessionError>>;
}

impl<S: Sessions + ?Sized> Sessions for Box<S> {
    fn place(&self) -> &str {
        (**self).place()
    }

    fn key(&self, visitor: Visitor<'_>) -> Option<SessionKey> {
        (**self).key(visitor)
    }

    fn read<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> BoxFuture<'a, Result<Option<Values>, SessionError>> {
        (**self).read(key)
    }
}

/// The key of a client's session.
#[derive(Clone)]
#[non_exhaustive]
pub enum SessionKey {
    /// The id of a session in a store.
    Id(ByteString),
    /// The session itself, from a cookie.
    Cookie(Bytes),
    /// The request for a web app.
    Question(Question),
}

/// The reason for which a session cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The store does not answer, or its answer is unexpected.
    #[error("{0}")]
    Unavailable(String),
    /// The store does not answer in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// The data is not a session. The text contains none of it.
    #[error("{0}")]
    Broken(String),
    /// The web app has refused the client, with this status code.
    #[error("the client is refused with {0}")]
    Refused(u16),
}

impl From<PhpError> for SessionError {
    fn from(error: PhpError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl SessionKey {
    /// Returns the id. `None` if the key is not an id.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Id(id) => Some(id),
            Self::Cookie(_) | Self::Question(_) => None,
        }
    }
}

/// Shows nothing: a key is as secret as a password.
impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey").finish_non_exhaustive()
    }
}

/// A client's session with a web app, as read when the client connected, or at the last
/// [`reload`](Self::reload). The session is only read: it is not locked, and its lifetime is not
/// extended.
///
/// The [extensions](polysock::Peer::extensions) of the peer contain the session. Clones share the
/// same session.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

struct Shared {
    sessions: Arc<dyn Sessions>,
    key: SessionKey,
    timeout: Duration,
    /// The values. `None` once the session has ended.
    values: RwLock<Option<Arc<Values>>>,
}

impl Session {
    pub(crate) fn new(
        sessions: Arc<dyn Sessions>,
        key: SessionKey,
        timeout: Duration,
        values: Values,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                sessions,
                key,
                timeout,
                values: RwLock::new(Some(Arc::new(values))),
            }),
        }
    }

    /// Returns the id. `None` if the session is in the cookie, or from a web app.
    pub fn id(&self) -> Option<&str> {
        self.shared.key.id()
    }

    /// Returns the values. `None` once a reload has found that the session has ended.
    pub fn values(&self) -> Option<Arc<Values>> {
        let values = self.shared.values.read();
        values.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the value at a path ([`Values::get`]). `None` also if the session has ended.
    pub fn get(&self, path: &str) -> Option<Json> {
        self.values()?.get(path)
    }

    /// Reads the session again, and returns whether it still exists. All clones get the new values.
    ///
    /// # Errors
    ///
    /// The session cannot be read. The previous values are kept.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the previous values are kept.
    pub async fn reload(&self) -> Result<bool, SessionError> {
        let Shared {
            sessions,
            key,
            timeout,
            values,
        } = &*self.shared;
        let read = read(&**sessions, key, *timeout).await?;
        let is_there = read.is_some();
        *values.write().unwrap_or_else(PoisonError::into_inner) = read.map(Arc::new);
        Ok(is_there)
    }
}

/// Shows none of the values.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// Reads a session, with a time limit.
pub(crate) async fn read(
    sessions: &dyn Sessions,
    key: &SessionKey,
    within: Duration,
) -> Result<Option<Values>, SessionError> {
    let read = timeout(within, sessions.read(key)).await;
    read.map_err(|_| SessionError::Late(within))?
}
