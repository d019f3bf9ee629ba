//! Exit codes.

use std::fmt::Display;
use std::process::ExitCode;

use crate::log;

/// Exit codes, for scripts and service managers; clap itself exits with 2 for usage errors.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Exit {
    Ok,
    /// A failure at run time, nothing to measure (`bench`) or to import (`import`), a client that
    /// would be refused (`explain`), or a difference (`replay`).
    Failed,
    /// Wrong usage that clap did not find, or bytes that mean nothing (`explain`).
    Usage,
    /// The connection, or its opening handshake, was refused (`connect`, `bench`).
    Refused,
    /// The connection ended abnormally or with a code other than 1000, 1001 or none (`connect`).
    Closed,
    /// Connections had to be cut at the shutdown deadline (EX_TEMPFAIL).
    Cut,
    /// The configuration file is wrong (EX_CONFIG).
    Config,
}

impl Exit {
    /// Logs a problem as an error and returns this exit code.
    pub(crate) fn with(self, problem: impl Display) -> Self {
        log::failed(&problem);
        self
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Closed => 4,
            Exit::Cut => 75,
            Exit::Config => 78,
        })
    }
}
