//! The keys that tokens are verified with, from a file or a URL.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::fetched::Fetched;
use super::key::Key;
use crate::jwt::provide;
use crate::route::policy::auth::FileError;
use crate::route::policy::auth::reloaded_file::ReloadedFile;
use crate::upstream::{UpstreamSettings, UrlError};

/// The keys that tokens are verified with. A file is read again when it has changed, and a URL is
/// fetched again from time to time.
#[derive(Clone, Debug)]
pub struct TokenKeys(Source);

#[derive(Clone, Debug)]
enum Source {
    File(ReloadedFile<Vec<Key>>),
    Url(Arc<Fetched>),
}

/// The reason why keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenKeysError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The URL is not that of a web server.
    #[error(transparent)]
    Url(#[from] UrlError),
}

impl TokenKeys {
    /// Reads public keys of RSA, P-256, P-384 or Ed25519 from a PEM file with one or more keys;
    /// blocks.
    ///
    /// # Errors
    ///
    /// The file cannot be read, contains no key, or contains another kind of PEM block.
    pub fn pem(path: impl Into<PathBuf>) -> Result<Self, TokenKeysError> {
        Self::of_file(path.into(), Key::of_pem)
    }

    /// Reads a secret for HS256, and for HS384 and HS512 if it is long enough; blocks. The secret
    /// is the whole file but a final line end.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the secret is shorter than 32 bytes.
    pub fn secret(path: impl Into<PathBuf>) -> Result<Self, TokenKeysError> {
        Self::of_file(path.into(), Key::of_secret)
    }

    /// Reads a JWK set (RFC 7517 §5) from a file; blocks.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or contains no usable key.
    pub fn jwks(path: impl Into<PathBuf>) -> Result<Self, TokenKeysError> {
        Self::of_file(path.into(), Key::of_set)
    }

    /// Uses the JWK set at this URL. The set is fetched when the first token arrives, when the set
    /// is older than `refresh`, and when a token names an unknown key; there are at least ten
    /// seconds between two attempts. If a fetch fails, the previous keys stay valid.
    ///
    /// # Errors
    ///
    /// The URL is not that of a web server.
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
        Ok(Self(Source::File(ReloadedFile::read(path, parse)?)))
    }

    /// Returns the keys; `None` if there are none yet.
    pub(super) async fn now(&self) -> Option<Arc<Vec<Key>>> {
        match &self.0 {
            Source::File(file) => Some(file.get().await),
            Source::Url(url) => url.now().await,
        }
    }

    /// Returns the keys after fetching them again; `None` for a file, or if there are none.
    pub(super) async fn newer(&self) -> Option<Arc<Vec<Key>>> {
        match &self.0 {
            Source::File(_) => None,
            Source::Url(url) => url.newer().await,
        }
    }
}
