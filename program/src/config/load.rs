//! A configuration out of its file.

use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::check;
use super::document::{Config, Document};
use super::node::Node;
use super::problem::Problems;
use super::reader::Reader;

/// A configuration, and what its author may want to know.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// For a terminal, as the errors are.
    pub(crate) warnings: Problems,
}

/// Why a file is no configuration; the text is for a terminal, and ends with a line end.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    /// It cannot be read.
    #[error("{file}: the file cannot be read: {source}\n", file = file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    /// These things are wrong in it.
    #[error("{0}")]
    Invalid(Problems),
}

impl Config {
    /// Reads a file, and all files and variables that it names.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or something in it is wrong: then all is told that can be found.
    pub(crate) fn load(path: &Path) -> Result<Loaded, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            file: path.to_owned(),
            source,
        };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::read(path, &text)
    }

    /// As [`load`](Self::load), of a text that stands in this file.
    pub(super) fn read(path: &Path, text: &str) -> Result<Loaded, ConfigError> {
        let mut reader = Reader::new(path, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let at = error.span().unwrap_or_default();
            let what = format!("this is no TOML: {}", error.message());
            reader.problems.error(at, what, "see https://toml.io");
        }
        // What was read around a mistake is no word of its author.
        if !errors.is_empty() {
            return Err(ConfigError::Invalid(reader.problems));
        }
        let at = table.span();
        let root = Spanned::new(at, DeValue::Table(table.into_inner()));
        let document = Document::read(Node::new("", &root), &mut reader);
        if !reader.problems.has_errors() {
            check(&document, &mut reader.problems);
        }
        match reader.problems.has_errors() {
            true => Err(ConfigError::Invalid(reader.problems)),
            false => Ok(Loaded {
                config: document.config,
                warnings: reader.problems,
            }),
        }
    }
}
