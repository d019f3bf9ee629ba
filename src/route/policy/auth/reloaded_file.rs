//! A file that is read again when it has changed.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::stamp::{Looked, Stamp};

/// A file that is read again when it has changed: at most once a second, when its content is
/// requested. If the changed file is invalid, the previous content stays. If the file no longer
/// exists, the content is the default of `T`.
pub(super) struct ReloadedFile<T> {
    shared: Arc<Shared<T>>,
}

/// The reason why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{}`: {problem}", path.display())]
pub struct FileError {
    /// The path of the file.
    pub path: PathBuf,
    /// The problem, and how to fix it.
    pub problem: String,
}

struct Shared<T> {
    path: PathBuf,
    parse: fn(&[u8]) -> Result<T, String>,
    known: Mutex<Cached<T>>,
}

struct Cached<T> {
    content: Arc<T>,
    stamp: Option<Stamp>,
    looked: Looked,
    /// The last problem that was logged; `None` if the file is valid.
    problem: Option<String>,
}

/// The largest file, in bytes.
const MAX_LEN: u64 = 4 << 20;

impl<T: Default + Send + Sync + 'static> ReloadedFile<T> {
    /// Reads a file; blocks.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or `parse` rejects it.
    pub(super) fn read(
        path: impl Into<PathBuf>,
        parse: fn(&[u8]) -> Result<T, String>,
    ) -> Result<Self, FileError> {
        let path = path.into();
        let stamp = Stamp::of(path.clone());
        let read = stamp.and_then(|stamp| Ok((stamp, read(&path)?)));
        let parsed = match read {
            Ok((stamp, bytes)) => parse(&bytes).map(|content| (stamp, content)),
            Err(error) => Err(format!("it cannot be read: {error}")),
        };
        match parsed {
            Ok((stamp, content)) => Ok(Self {
                shared: Arc::new(Shared {
                    path,
                    parse,
                    known: Mutex::new(Cached {
                        content: Arc::new(content),
                        stamp: Some(stamp),
                        looked: Looked::now(),
                        problem: None,
                    }),
                }),
            }),
            Err(problem) => Err(FileError { path, problem }),
        }
    }

    /// Returns the content of the file. Reads the file again if necessary.
    pub(super) async fn get(&self) -> Arc<T> {
        if self.shared.is_due() {
            let shared = Arc::clone(&self.shared);
            // A slow disk must not block other connections.
            let _ = spawn_blocking(move || shared.look()).await;
        }
        Arc::clone(&self.shared.lock().content)
    }
}

impl<T: Default> Shared<T> {
    /// True if the caller has to check the file for changes.
    fn is_due(&self) -> bool {
        self.lock().looked.is_due()
    }

    /// Reads the file again if it has changed.
    fn look(&self) {
        let path = self.path.display();
        let stamp = match Stamp::of(self.path.clone()) {
            Ok(stamp) if stamp.is_old() && self.lock().stamp.as_ref() == Some(&stamp) => return,
            Ok(stamp) => Some(stamp),
            Err(_) => None,
        };
        let read = read(&self.path);
        let is_gone = matches!(&read, Err(error) if error.kind() == io::ErrorKind::NotFound);
        let parsed = match read {
            Ok(bytes) => (self.parse)(&bytes),
            Err(error) => Err(format!("it cannot be read: {error}")),
        };
        let mut known = self.lock();
        let is_other = known.stamp != stamp;
        known.stamp = stamp;
        match parsed {
            Ok(content) => {
                known.content = Arc::new(content);
                if known.problem.take().is_some() || is_other {
                    info!(%path, "file reloaded");
                }
            }
            Err(problem) => {
                if is_gone {
                    known.content = Arc::default();
                }
                if known.problem.as_ref() != Some(&problem) {
                    warn!(%path, problem, "a file cannot be used");
                    known.problem = Some(problem);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cached<T>> {
        // Each field is replaced as a whole, so a panic cannot leave it broken.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for ReloadedFile<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

/// Shows only the path, because such files contain secrets.
impl<T> fmt::Debug for ReloadedFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.shared.path).finish()
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let len = fs::File::open(path)?
        .take(MAX_LEN + 1)
        .read_to_end(&mut bytes)?;
    match len as u64 > MAX_LEN {
        true => Err(io::Error::other(format!(
            "it has more than {MAX_LEN} bytes"
        ))),
        false => Ok(bytes),
    }
}

#[cfg(test)]
impl<T> ReloadedFile<T> {
    /// Behaves as if a second had passed.
    pub(super) fn let_time_pass(&self) {
        self.shared.known.lock().unwrap().looked.let_time_pass();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Vec<u8>, String> {
        match bytes {
            b"bad" => Err("it is bad".to_owned()),
            bytes => Ok(bytes.to_vec()),
        }
    }

    #[tokio::test]
    async fn a_changed_file_is_read_again_unless_it_is_invalid() {
        let path = std::env::temp_dir().join(format!("polysock-watched-{}", std::process::id()));
        fs::write(&path, "one").unwrap();
        let watched = ReloadedFile::read(&path, parse).unwrap();
        // The same length, within the same clock tick.
        fs::write(&path, "two").unwrap();
        assert_eq!(
            **watched.get().await,
            *b"one",
            "within a second nobody looks"
        );
        for (text, expected) in [("two", "two"), ("bad", "two"), ("3", "3")] {
            fs::write(&path, text).unwrap();
            watched.let_time_pass();
            assert_eq!(**watched.get().await, *expected.as_bytes());
        }
        fs::remove_file(&path).unwrap();
        watched.let_time_pass();
        assert!(watched.get().await.is_empty());
        let error = ReloadedFile::read(&path, parse).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("it cannot be read: No such file"),
            "{error}"
        );
    }
}
