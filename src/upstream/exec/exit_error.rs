//! The failure of a process.

use std::error::Error;
use std::fmt;

/// The failure of a process, which is the reason why its connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitError {
    /// The process ended with this status, which is not 0.
    Status(i32),
    /// The process was ended by this signal, which we did not send.
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
