//! The keys that tokens are verified with, and where they are from.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::fetched::Fetched;
use super::key::Key;
use crate::jwt::provide;
use crate::route::policy::auth::FileError;
use crate::route::policy::auth::watched::Watched;
use crate::upstream::{UpstreamSettings, UrlError};

/// The keys that tokens are verified with: those of a file, which is read again when it has changed, or of
/// a URL, which is fetched again.
#[derive(Clone, Debug)]
pub struct TokenKeys(Source);

#[derive(Clone, Debug)]
enum Source {
    File(Watched<Vec<Key>>),
    Url(Arc<Fetched>),
}

/// Why there are no keys.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenKeysError {
    /// The file is of no use.
    #[error(transparent)]
    File(#[from] FileError),
    /// The URL is none of a web server.
    #[error(transparent)]
    Url(#[from] UrlError),
}

impl TokenKeys {
    /// Public keys in PEM form, of RSA, P-256, P-384 or Ed25519, one behind the other; blocks.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has something else in it.
    pub fn pem(path: impl Into<PathBuf>) -> Result<Self, TokenKeysError> {
        Self::of_file(path.into(), Key::of_pem)
    }

    /// A secret for HS256, and for HS384 and HS512 if it is long enough: all of the file but a line end
    /// behind it; blocks.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has less than 32 bytes.
    pub fn secret(path: impl Into<PathBuf>) -> Result<Self, TokenKeysError> {
        Self::of_file(path.into(), Key::of_secret)
    }

    /// A JWK set (RFC 7517 §5); blocks.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has no key that can be used.
    pub fn jwks(path: impl Into<PathBuf>) -> Result<Self, TokenKeysError> {
        Self::of_file(path.into(), Key::of_set)
    }

    /// The JWK set that a web server has at this URL. It is fetched when the first token comes, when it is
    /// older than `refresh`, and when a token names a key that it has not; for that at most every ten
    /// seconds. Where that fails, the keys of before count on.
    ///
    /// # Errors
    ///
    /// The URL is none of a web server.
    pub fn url(
        url: &str,
        refresh: Duration,
        settings: UpstreamSettings,
    ) -> Result<Self, TokenKeysError> {
        provide();
        let fetched = Fetched::new(url, refresh, settings)?;
        Ok(Self(Source::Url(Arc::new(fetched))))
    }

    fn of_file(
        path: PathBuf,
        parse: fn(&[u8]) -> Result<Vec<Key>, String>,
    ) -> Result<Self, TokenKeysError> {
        provide();
        Ok(Self(Source::File(Watched::read(path, parse)?)))
    }

    /// The keys; `None` where they are not there.
    pub(super) async fn now(&self) -> Option<Arc<Vec<Key>>> {
        match &self.0 {
            Source::File(file) => Some(file.get().await),
            Source::Url(url) => url.now().await,
        }
    }

    /// The keys, if there may be newer ones.
    pub(super) async fn newer(&self) -> Option<Arc<Vec<Key>>> {
        match &self.0 {
            Source::File(_) => None,
            Source::Url(url) => url.newer().await,
        }
    }
}
