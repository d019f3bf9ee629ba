//! How a process fails.

use std::error::Error;
use std::fmt;

/// Why the connection to a process failed: the process did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitError {
    /// It ended with this status, which is not 0.
    Status(i32),
    /// This signal ended it, which was not ours.
    Signal(i32),
}

impl fmt::Display for ExitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the process ended with status {status}"),
            Self::Signal(signal) => write!(f, "signal {signal} ended the process"),
        }
    }
}

impl Error for ExitError {}
