//! Sessions in SQLite.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use tokio::task::spawn_blocking;

use super::SessionStore;
use super::table::{Layout, SessionTable, is_over};
use crate::session::SessionError;

/// Sessions in a SQLite file. Each look-up opens the file read-only.
#[derive(Clone, Debug)]
pub struct Sqlite {
    place: Arc<str>,
    file: Arc<Path>,
    table: SessionTable,
}

/// The time for which a look-up waits for a writer.
const LOCKED: Duration = Duration::from_millis(250);

impl Sqlite {
    /// Creates the sessions of a table in this file.
    pub fn new(file: impl AsRef<Path>, table: SessionTable) -> Self {
        let file = file.as_ref();
        Self {
            place: format!("sqlite:{}#{table}", file.display()).into(),
            file: file.into(),
            table,
        }
    }

    fn read(&self, id: &str) -> rusqlite::Result<Option<Bytes>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(LOCKED)?;
        let name = &self.table.name;
        match self.table.layout {
            Layout::Symfony => {
                let query = format!(
                    "SELECT sess_data, sess_lifetime, sess_time FROM {name} WHERE sess_id = ?1"
                );
                let row = |row: &Row<'_>| Ok((data(row)?, row.get(1)?, row.get(2)?));
                let found = connection.query_row(&query, [id], row).optional()?;
                let found = found.filter(|(_, lifetime, time)| !is_over(*lifetime, *time));
                Ok(found.map(|(data, ..)| data))
            }
            Layout::Django => {
                // Django writes UTC, with or without a fraction of a second after a dot.
                let query = format!(
                    "SELECT session_data FROM {name} WHERE session_key = ?1 \
                     AND expire_date > strftime('%Y-%m-%d %H:%M:%S', 'now')"
                );
                connection.query_row(&query, [id], data).optional()
            }
        }
    }
}

impl SessionStore for Sqlite {
    fn place(&self) -> &str {
        &self.place
    }

    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SessionError>> {
        let (sqlite, id) = (self.clone(), id.to_owned());
        Box::pin(async move {
            let unavailable = |text: String| SessionError::Unavailable(text);
            let read = spawn_blocking(move || sqlite.read(&id)).await;
            let read = read.map_err(|error| unavailable(error.to_string()))?;
            read.map_err(|error| unavailable(error.to_string()))
        })
    }
}

/// Returns the first column, as text or blob.
fn data(row: &Row<'_>) -> rusqlite::Result<Bytes> {
    let value = row.get_ref(0)?;
    let bytes = value.as_bytes_or_null();
    let bytes = bytes.map_err(rusqlite::Error::from)?;
    Ok(Bytes::copy_from_slice(bytes.unwrap_or_default()))
}
