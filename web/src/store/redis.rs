//! Sessions in Redis.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use polysock::protocols::hide_secrets;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, cmd};
use thiserror::Error;

use super::SessionStore;
use super::shared_connection::{Numbered, SharedConnection};
use crate::session::SessionError;

/// Sessions in Redis: with the key `PHPREDIS_SESSION:ID` as php-redis writes them, or with another
/// prefix. A look-up is one `GET`. The connection is kept, and opened again when it has failed.
#[derive(Clone)]
pub struct Redis {
    place: Arc<str>,
    client: Client,
    prefix: Arc<str>,
    shared_connection: Arc<SharedConnection<MultiplexedConnection>>,
}

/// The error for a URL that is not valid for Redis.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{url}` is not a URL of Redis: write redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]")]
pub struct RedisUrlError {
    url: String,
}

impl Redis {
    /// Creates the sessions of the server at this URL:
    /// `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, or `redis+unix:///PATH`.
    ///
    /// # Errors
    ///
    /// The URL is not valid for Redis.
    pub fn new(url: &str) -> Result<Self, RedisUrlError> {
        let client = Client::open(url).map_err(|_| RedisUrlError {
            url: hide_secrets(url).into_owned(),
        })?;
        Ok(Self {
            place: hide_secrets(url).into(),
            client,
            prefix: "PHPREDIS_SESSION:".into(),
            shared_connection: Arc::default(),
        })
    }

    /// Sets the prefix: `sf_s` for Symfony, `sess:` for `connect-redis`.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        Self {
            prefix: prefix.into(),
            ..self
        }
    }

    async fn read(&self, id: &str) -> Result<Option<Bytes>, RedisError> {
        let key = format!("{}{id}", self.prefix);
        if let Some(shared_connection) = self.shared_connection.current() {
            match self.ask(shared_connection, &key).await {
                Err(error) if is_of_connection(&error) => {}
                answer => return answer,
            }
        }
        let opened = self.shared_connection.or_open(self.connect()).await?;
        self.ask(opened, &key).await
    }

    /// Sends one `GET`.
    async fn ask(
        &self,
        mut shared_connection: Numbered<MultiplexedConnection>,
        key: &str,
    ) -> Result<Option<Bytes>, RedisError> {
        let doubt = self.shared_connection.doubt(&shared_connection);
        let answer = cmd("GET")
            .arg(key)
            .query_async(&mut shared_connection.connection)
            .await;
        let data: Option<Vec<u8>> = match answer {
            Err(error) if is_of_connection(&error) => return Err(error),
            answer => {
                doubt.clear();
                answer?
            }
        };
        Ok(data.map(Bytes::from))
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        // The look-up has a time limit of its own.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        connecting.await
    }
}

impl SessionStore for Redis {
    fn place(&self) -> &str {
        &self.place
    }

    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SessionError>> {
        Box::pin(async move {
            let read = self.read(id).await;
            read.map_err(|error| SessionError::Unavailable(error.to_string()))
        })
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("place", &self.place)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// Whether the connection has failed, and not the command.
fn is_of_connection(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}
