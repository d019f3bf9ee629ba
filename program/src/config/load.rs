//! Loading a configuration from its file.

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

/// A configuration and its warnings.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// The warnings, formatted for a terminal like errors.
    pub(crate) warnings: Problems,
}

/// The reason why a file is not a configuration. The text is for a terminal, and ends with a line
/// end.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("{file}: the file cannot be read: {source}\n", file = file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    /// The file contains errors.
    #[error("{0}")]
    Invalid(Problems),
}

impl Config {
    /// Loads a file, with all files and variables that it names.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or something in it is wrong. All errors that can be found are
    /// reported together.
    pub(crate) fn load(path: &Path) -> Result<Loaded, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            file: path.to_owned(),
            source,
        };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::read(path, &text)
    }

    /// The same as [`load`](Self::load), for a text that is treated as the contents of this file.
    pub(super) fn read(path: &Path, text: &str) -> Result<Loaded, ConfigError> {
        let mut reader = Reader::new(path, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let at = error.span().unwrap_or_default();
            let what = format!("this is not valid TOML: {}", error.message());
            reader.problems.error(at, what, "see https://toml.io");
        }
        // After a syntax error the parser's table may differ from what the author meant.
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
