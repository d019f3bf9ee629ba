//! Sessions in Redis.

use std::fmt;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use polysock::protocols::hide_secrets;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, cmd};
use thiserror::Error;
use tokio::sync::Mutex;

use super::SessionStore;
use crate::session::SessionError;

/// Sessions in Redis: under `PHPREDIS_SESSION:ID` as php-redis keeps them, or with another prefix. A look-up is one
/// `GET` on a connection that is kept, and opened again when it has failed.
#[derive(Clone)]
pub struct Redis {
    place: Arc<str>,
    client: Client,
    prefix: Arc<str>,
    connection: Arc<Kept>,
}

/// This is no URL of Redis.
#[derive(Debug, Error)]
#[error(
    "`{url}` is no URL of Redis ({problem}): write redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]"
)]
pub struct RedisUrlError {
    url: String,
    problem: String,
}

/// The connection that is kept.
#[derive(Default)]
struct Kept {
    current: std::sync::Mutex<Option<Numbered>>,
    /// Held by who connects, so that a crowd does not.
    connecting: Mutex<u64>,
}

/// A connection, and which one it is.
#[derive(Clone)]
struct Numbered {
    number: u64,
    connection: MultiplexedConnection,
}

impl Redis {
    /// Those of the server at this URL: `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, or `redis+unix:///PATH`.
    ///
    /// # Errors
    ///
    /// It is no such URL.
    pub fn new(url: &str) -> Result<Self, RedisUrlError> {
        let client = Client::open(url).map_err(|error| RedisUrlError {
            url: hide_secrets(url).into_owned(),
            problem: error.to_string(),
        })?;
        Ok(Self {
            place: hide_secrets(url).into(),
            client,
            prefix: "PHPREDIS_SESSION:".into(),
            connection: Arc::default(),
        })
    }

    /// The same with another prefix: `sf_s` for Symfony, `sess:` for `connect-redis`.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        Self {
            prefix: prefix.into(),
            ..self
        }
    }

    async fn read(&self, id: &str) -> Result<Option<Bytes>, SessionError> {
        let key = format!("{}{id}", self.prefix);
        let kept = self.connection.current();
        if let Some(connection) = kept {
            match self.ask(connection, &key).await {
                Err(error) if error.is_io_error() || error.is_unrecoverable_error() => {}
                answer => return told(answer),
            }
        }
        let connection = self.connect().await.map_err(unavailable)?;
        told(self.ask(connection, &key).await)
    }

    /// One `GET`. A connection that fails, or whose answer nobody has waited for, is not used again.
    async fn ask(&self, kept: Numbered, key: &str) -> Result<Option<Vec<u8>>, RedisError> {
        let mut connection = kept.connection.clone();
        let mut doubt = Doubt {
            kept: &self.connection,
            number: Some(kept.number),
        };
        let answer = cmd("GET").arg(key).query_async(&mut connection).await;
        if answer
            .as_ref()
            .err()
            .is_none_or(|error| !error.is_io_error())
        {
            doubt.number = None;
        }
        answer
    }

    /// The connection that another has opened meanwhile, or a new one.
    async fn connect(&self) -> Result<Numbered, RedisError> {
        let mut number = self.connection.connecting.lock().await;
        if let Some(kept) = self.connection.current() {
            return Ok(kept);
        }
        // Who waits for an answer has a deadline.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let connection = connecting.await?;
        *number += 1;
        let opened = Numbered {
            number: *number,
            connection,
        };
        self.connection.set(Some(opened.clone()));
        Ok(opened)
    }
}

impl SessionStore for Redis {
    fn place(&self) -> &str {
        &self.place
    }

    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SessionError>> {
        Box::pin(self.read(id))
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Redis");
        shown.field("place", &self.place);
        shown.field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Kept {
    fn current(&self) -> Option<Numbered> {
        let current = self.current.lock();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, connection: Option<Numbered>) {
        let current = self.current.lock();
        *current.unwrap_or_else(PoisonError::into_inner) = connection;
    }
}

/// Has a connection used no more, unless its number is taken away.
struct Doubt<'a> {
    kept: &'a Kept,
    number: Option<u64>,
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        if self
            .kept
            .current()
            .is_some_and(|kept| kept.number == number)
        {
            self.kept.set(None);
        }
    }
}

fn told(answer: Result<Option<Vec<u8>>, RedisError>) -> Result<Option<Bytes>, SessionError> {
    match answer {
        Ok(data) => Ok(data.map(Bytes::from)),
        Err(error) => Err(unavailable(error)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn unavailable(error: RedisError) -> SessionError {
    SessionError::Unavailable(error.to_string())
}
