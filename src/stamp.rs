//! What a file was when it was read, and when it is looked at again.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// What a file was when it was read: where it is another, it has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    path: PathBuf,
    modified: Option<SystemTime>,
    len: u64,
    inode: u64,
}

/// When it was last looked whether files have changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looked(Instant);

/// How often that is looked.
const PAUSE: Duration = Duration::from_secs(1);

/// A file that was changed just before it was read may have changed again without another time.
const TICK: Duration = Duration::from_secs(2);

impl Stamp {
    /// Looks at a file; blocks.
    pub(crate) fn of(path: PathBuf) -> io::Result<Self> {
        let metadata = fs::metadata(&path)?;
        Ok(Self {
            modified: metadata.modified().ok(),
            len: metadata.len(),
            inode: metadata.ino(),
            path,
        })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether another stamp would tell that it has changed since.
    pub(crate) fn is_old(&self) -> bool {
        let age = self.modified.and_then(|modified| modified.elapsed().ok());
        age.is_some_and(|age| age > TICK)
    }
}

impl Looked {
    /// Just now.
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// Whether the caller is to look again: others need not for as long.
    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = self.0.elapsed() >= PAUSE;
        if is_due {
            *self = Self::now();
        }
        is_due
    }

    /// As if a second had passed.
    #[cfg(test)]
    pub(crate) fn let_time_pass(&mut self) {
        self.0 = self.0.checked_sub(PAUSE).unwrap();
    }
}
