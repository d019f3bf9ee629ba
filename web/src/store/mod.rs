//! Stores of session data.

mod files;
mod memcached;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod shared_connection;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod table;

use std::fmt;

use bytes::Bytes;
use futures_core::future::BoxFuture;

pub use self::files::{Files, SavePathError};
pub use self::memcached::Memcached;
#[cfg(feature = "postgres")]
pub use self::postgres::{Postgres, PostgresUrlError};
#[cfg(feature = "redis")]
pub use self::redis::{Redis, RedisUrlError};
#[cfg(feature = "sqlite")]
pub use self::sqlite::Sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use self::table::{SessionTable, TableNameError};
use crate::session::SessionError;

/// A store of session data, by id.
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Returns the store's name for the log, without secrets.
    fn place(&self) -> &str;

    /// Returns the data of the session with this id. `None` if there is none, or it has expired.
    /// The id contains only letters, digits, `,`, `-` and `_`.
    ///
    /// # Errors
    ///
    /// The store does not answer, or the data is longer than 1 MiB.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped if it takes too long.
    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SessionError>>;
}

impl<S: SessionStore + ?Sized> SessionStore for Box<S> {
    fn place(&self) -> &str {
        (**self).place()
    }

    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SessionError>> {
        (**self).get(id)
    }
}
