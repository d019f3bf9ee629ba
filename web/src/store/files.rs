//! Sessions in files, as PHP writes them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;
use thiserror::Error;
use tokio::task::spawn_blocking;

use super::SessionStore;
use crate::php::MAX_BYTES;
use crate::session::SessionError;

/// Sessions in files, as PHP's `files` and Symfony's `NativeFileSessionHandler` write them:
/// `DIR/sess_ID`, or in subfolders that are named after the first characters of the id.
///
/// PHP holds a lock on a file while a request runs. A look-up waits for the lock up to 250 ms, and
/// then reads the file without it. Neither a folder named after an id nor a file may be a symbolic
/// link.
#[derive(Clone, Debug)]
pub struct Files {
    place: Arc<str>,
    folder: Arc<Path>,
    /// The number of subfolders above a file.
    depth: u8,
    lifetime: Duration,
}

/// The reason for which a PHP `save_path` is invalid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SavePathError {
    /// The depth is not a number from 0 to 16.
    #[error("the depth in `{0}` is not a number from 0 to 16: write \"2;/var/lib/php/sessions\"")]
    Depth(String),
    /// The path is not an absolute path.
    #[error("`{0}` is not an absolute path: write \"/var/lib/php/sessions\"")]
    Folder(String),
}

/// The time for which a look-up waits for the lock of a file.
const LOCKED: Duration = Duration::from_millis(250);

/// The time between two attempts to lock a file.
const RETRY: Duration = Duration::from_millis(5);

/// The deepest nesting of folders.
const MAX_DEPTH: u8 = 16;

impl Files {
    /// Creates the sessions of a `session.save_path`: `DIR`, `DEPTH;DIR` or `DEPTH;MODE;DIR`. A
    /// session expires when its file was not written for 1440 seconds.
    ///
    /// # Errors
    ///
    /// The folder is not an absolute path, or the depth is not a number up to 16.
    pub fn new(save_path: &str) -> Result<Self, SavePathError> {
        let (depth, folder) = match save_path.split_once(';') {
            None => (Ok(0), save_path),
            Some((depth, rest)) => (depth.parse(), rest.rsplit(';').next().unwrap_or(rest)),
        };
        let depth = depth.ok().filter(|depth| *depth <= MAX_DEPTH);
        let depth = depth.ok_or_else(|| SavePathError::Depth(save_path.to_owned()))?;
        let path = PathBuf::from(folder);
        if !path.is_absolute() {
            return Err(SavePathError::Folder(save_path.to_owned()));
        }
        Ok(Self {
            place: format!("files:{save_path}").into(),
            folder: path.into(),
            depth,
            lifetime: Duration::from_secs(1440),
        })
    }

    /// Sets the time after the last write of its file at which a session expires:
    /// `session.gc_maxlifetime`. PHP removes such files only now and then, so expired files can
    /// exist.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads a file. `None` if it does not exist, or is too old.
    fn read(&self, id: &str) -> io::Result<Option<Bytes>> {
        let Some(file) = self.open(id)? else {
            return Ok(None);
        };
        let metadata = file.metadata()?;
        let age = SystemTime::now().duration_since(metadata.modified()?);
        if !metadata.is_file() || age.is_ok_and(|age| age > self.lifetime) {
            return Ok(None);
        }
        let until = Instant::now() + LOCKED;
        // A file that cannot be locked at all is read without a lock.
        while let Err(Errno::WOULDBLOCK) = flock(&file, FlockOperation::NonBlockingLockShared) {
            if Instant::now() >= until {
                break;
            }
            sleep(RETRY);
        }
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let mut data = Vec::with_capacity(length.min(MAX_BYTES) + 1);
        let max = u64::try_from(MAX_BYTES + 1).unwrap_or(u64::MAX);
        file.take(max).read_to_end(&mut data)?;
        Ok(Some(data.into()))
    }

    /// Opens the file of an id, folder by folder.
    fn open(&self, id: &str) -> io::Result<Option<File>> {
        let name = format!("sess_{id}");
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let inside = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut folder = openat(CWD, &*self.folder, flags | OFlags::DIRECTORY, Mode::empty())?;
        let mut names = id.char_indices().take(usize::from(self.depth));
        let opened = names
            .try_for_each(|(at, character)| {
                let name = id.get(at..at + character.len_utf8()).unwrap_or_default();
                folder = openat(&folder, name, inside | OFlags::DIRECTORY, Mode::empty())?;
                Ok(())
            })
            .and_then(|()| openat(&folder, &name, inside, Mode::empty()));
        match opened {
            Ok(file) => Ok(Some(file.into())),
            // No such file, no folder where one should be, or a symbolic link.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl SessionStore for Files {
    fn place(&self) -> &str {
        &self.place
    }

    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SessionError>> {
        let (files, id) = (self.clone(), id.to_owned());
        Box::pin(async move {
            let read = spawn_blocking(move || files.read(&id)).await;
            let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
            read.map_err(|error| SessionError::Unavailable(error.to_string()))
        })
    }
}
