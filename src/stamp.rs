//! Detection of changed files.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// The state of a file when it was read. A different stamp means that the file has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    path: PathBuf,
    modified: Option<SystemTime>,
    len: u64,
    inode: u64,
}

/// The time of the last check for changed files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looked(Instant);

/// The interval between two checks.
const PAUSE: Duration = Duration::from_secs(1);

/// The age from which a modification time is reliable. A file modified just before it was read may
/// be modified again without a new time.
const TICK: Duration = Duration::from_secs(2);

impl Stamp {
    /// Reads the state of a file; blocks.
    pub(crate) fn of(path: PathBuf) -> io::Result<Self> {
        let metadata = fs::metadata(&path)?;
        Ok(Self {
            modified: metadata.modified().ok(),
            len: metadata.len(),
            inode: metadata.ino(),
            path,
        })
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// True if every later change of the file would produce a different stamp.
    pub(crate) fn is_old(&self) -> bool {
        let age = self.modified.and_then(|modified| modified.elapsed().ok());
        age.is_some_and(|age| age > TICK)
    }
}

impl Looked {
    /// Records a check now.
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// True if the caller must check now. Other callers need not for the length of an interval.
    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = self.0.elapsed() >= PAUSE;
        if is_due {
            *self = Self::now();
        }
        is_due
    }

    /// Moves the last check back by one interval.
    #[cfg(test)]
    pub(crate) fn let_time_pass(&mut self) {
        self.0 = self.0.checked_sub(PAUSE).unwrap();
    }
}
