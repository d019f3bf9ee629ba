//! Where the bytes of sessions are kept.

mod files;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod kept;
mod memcached;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
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

/// Where the bytes of sessions are kept, by their ids.
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Where that is, for the log: without secrets.
    fn place(&self) -> &str;

    /// The data of the session of this id; `None` where there is none, or it is over. The id has only
    /// characters that ids have: letters, digits, `,`, `-` and `_`.
    ///
    /// # Errors
    ///
    /// The store does not answer, or the data is longer than 1 MiB.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped where it takes too long.
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
