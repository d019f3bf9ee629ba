//! A session of a web app, and where sessions are found.

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

/// Where sessions are found: in a store, in a cookie, or by asking a web app.
pub trait Sessions: fmt::Debug + Send + Sync + 'static {
    /// Where they are, for the log: without secrets.
    fn place(&self) -> &str;

    /// What a client has a session by; `None` for one that has none. Nothing is looked up for it.
    fn key(&self, visitor: Visitor<'_>) -> Option<SessionKey>;

    /// Reads the session of this key; `None` where there is none, or it is over.
    ///
    /// # Errors
    ///
    /// Nobody knows whether there is one, or it cannot be read.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped where it takes too long.
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

/// What a client has a session by.
#[derive(Clone)]
#[non_exhaustive]
pub enum SessionKey {
    /// The id of one in a store.
    Id(ByteString),
    /// The session itself, out of a cookie.
    Cookie(Bytes),
    /// What a web app is asked with.
    Question(Question),
}

/// Why a session cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The store does not answer, or not with what was asked for.
    #[error("{0}")]
    Unavailable(String),
    /// It does not answer in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// The data are no session. The text has nothing of them.
    #[error("{0}")]
    Broken(String),
    /// Whoever was asked lets nobody in with this.
    #[error("the client is refused with {0}")]
    Refused(u16),
}

impl From<PhpError> for SessionError {
    fn from(error: PhpError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl SessionKey {
    /// The id, where it has one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Id(id) => Some(id),
            Self::Cookie(_) | Self::Question(_) => None,
        }
    }
}

/// A key is as good as a password: it is not shown.
impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey").finish_non_exhaustive()
    }
}

/// The session that a client has with a web app, as it was read when the client came, or at the last
/// [`reload`](Self::reload). It is only read: it is not locked, and lives no longer for it.
///
/// It is in the [extensions](polysock::Peer::extensions) of the peer. Clones are the same session.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

struct Shared {
    sessions: Arc<dyn Sessions>,
    key: SessionKey,
    timeout: Duration,
    /// `None` once it is over.
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

    /// Its id; `None` where the cookie is the session, and where a web app was asked.
    pub fn id(&self) -> Option<&str> {
        self.shared.key.id()
    }

    /// What is in it; `None` once it was found to be over.
    pub fn values(&self) -> Option<Arc<Values>> {
        let values = self.shared.values.read();
        values.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The value at a path ([`Values::get`]); `None` also where the session is over.
    pub fn get(&self, path: &str) -> Option<Json> {
        self.values()?.get(path)
    }

    /// Reads it again, and says whether it is still there. What it has is seen through all clones.
    ///
    /// # Errors
    ///
    /// It cannot be read: what was read before stays.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was read before stays.
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

/// Nothing of what is in it is shown.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// Reads a session within this time.
pub(crate) async fn read(
    sessions: &dyn Sessions,
    key: &SessionKey,
    within: Duration,
) -> Result<Option<Values>, SessionError> {
    let read = timeout(within, sessions.read(key)).await;
    read.map_err(|_| SessionError::Late(within))?
}
