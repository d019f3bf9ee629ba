//! The settings of the log.

use std::path::{Path, PathBuf};

use super::format::Format;

/// The settings of the log. Missing ones have defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The format of lines; `None` is text.
    pub(crate) format: Option<Format>,
    /// The file of the log; `None` is standard error.
    pub(crate) file: Option<PathBuf>,
    /// The destination of lines about connections and requests; `None` is the same log.
    pub(crate) access: Option<Access>,
    /// True if the values in queries are logged.
    pub(crate) query: bool,
    /// The filter; `None` is the default of the command.
    pub(crate) level: Option<String>,
    /// The collector of traces that receives spans; `None` if there is none.
    pub(crate) otlp: Option<String>,
}

impl Settings {
    /// True if the settings name this file.
    pub(crate) fn names(&self, file: &Path) -> bool {
        let access = match &self.access {
            Some(Access::File(path)) => Some(path),
            _ => None,
        };
        let mut files = self.file.iter().chain(access);
        files.any(|path| path == file)
    }
}

/// The destination of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// No access log.
    Off,
    /// Standard output.
    Stdout,
    /// The end of this file.
    File(PathBuf),
}
