//! Sessions in PostgreSQL.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use polysock::protocols::hide_secrets;
use thiserror::Error;
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::SessionStore;
use super::shared_connection::{Numbered, SharedConnection};
use super::table::{Layout, SessionTable, is_over};
use crate::session::SessionError;

/// Sessions in a PostgreSQL table. The connection is kept, and opened again when it has failed. It
/// does not use TLS.
#[derive(Clone)]
pub struct Postgres {
    place: Arc<str>,
    config: Config,
    table: SessionTable,
    shared_connection: Arc<SharedConnection<Arc<Prepared>>>,
}

/// The error for a URL that is not valid for PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{url}` is not a URL of PostgreSQL: write postgres://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE"
)]
pub struct PostgresUrlError {
    url: String,
}

/// A connection with the prepared query.
struct Prepared {
    client: Client,
    look_up: Statement,
}

impl Postgres {
    /// Creates the sessions of a table in the database at this URL:
    /// `postgres://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE`.
    ///
    /// # Errors
    ///
    /// The URL is not valid for PostgreSQL.
    pub fn new(url: &str, table: SessionTable) -> Result<Self, PostgresUrlError> {
        let shown = hide_secrets(url);
        let config = url.parse().map_err(|_| PostgresUrlError {
            url: shown.clone().into_owned(),
        })?;
        Ok(Self {
            place: format!("{shown}#{table}").into(),
            config,
            table,
            shared_connection: Arc::default(),
        })
    }

    async fn read(&self, id: &str) -> Result<Option<Bytes>, tokio_postgres::Error> {
        if let Some(shared_connection) = self.shared_connection.current()
            && let Ok(answer) = self.ask(shared_connection, id).await
        {
            return Ok(answer);
        }
        let opened = self.shared_connection.or_open(self.connect()).await?;
        self.ask(opened, id).await
    }

    async fn ask(
        &self,
        shared_connection: Numbered<Arc<Prepared>>,
        id: &str,
    ) -> Result<Option<Bytes>, tokio_postgres::Error> {
        let doubt = self.shared_connection.doubt(&shared_connection);
        let Prepared { client, look_up } = &*shared_connection.connection;
        let row = client.query_opt(look_up, &[&id]).await?;
        doubt.clear();
        let Some(row) = row else { return Ok(None) };
        match self.table.layout {
            Layout::Symfony => {
                let (lifetime, time) = (row.try_get(1)?, row.try_get(2)?);
                let data: Vec<u8> = row.try_get(0)?;
                Ok((!is_over(lifetime, time)).then(|| data.into()))
            }
            Layout::Django => {
                let data: String = row.try_get(0)?;
                Ok(Some(data.into()))
            }
        }
    }

    async fn connect(&self) -> Result<Arc<Prepared>, tokio_postgres::Error> {
        let (client, connection) = self.config.connect(NoTls).await?;
        // The task ends with the client, and queries return the connection's errors.
        tokio::spawn(async move { connection.await.ok() });
        let name = &self.table.name;
        let query = match self.table.layout {
            Layout::Symfony => format!(
                "SELECT sess_data, sess_lifetime::bigint, sess_time::bigint FROM {name} WHERE sess_id = $1"
            ),
            Layout::Django => format!(
                "SELECT session_data::text FROM {name} WHERE session_key = $1 AND expire_date > now()"
            ),
        };
        let look_up = client.prepare(&query).await?;
        Ok(Arc::new(Prepared { client, look_up }))
    }
}

impl SessionStore for Postgres {
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

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
