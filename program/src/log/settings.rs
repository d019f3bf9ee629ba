//! What is logged, how, and where to.

use std::path::{Path, PathBuf};

use super::format::Format;

/// What is logged, how, and where to; what is not given is as it always is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How lines are written; otherwise as text.
    pub(crate) format: Option<Format>,
    /// The file that they go to; otherwise it is standard error.
    pub(crate) file: Option<PathBuf>,
    /// Where those about connections and requests go; otherwise they are among the others.
    pub(crate) access: Option<Access>,
    /// Whether they show the values in the queries of targets.
    pub(crate) query: bool,
    /// What is logged; otherwise it depends on the command.
    pub(crate) level: Option<String>,
    /// The collector of traces that is sent spans, if there is one.
    pub(crate) otlp: Option<String>,
}

impl Settings {
    /// Whether they name this file.
    pub(crate) fn names(&self, file: &Path) -> bool {
        let access = match &self.access {
            Some(Access::File(path)) => Some(path),
            _ => None,
        };
        let mut files = self.file.iter().chain(access);
        files.any(|path| path == file)
    }
}

/// Where lines about connections and requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nowhere.
    Off,
    /// To standard output.
    Stdout,
    /// To the end of this file.
    File(PathBuf),
}
