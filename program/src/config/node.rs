//! A value of the file, and where it stands.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::environment::expand;
use super::problem::Problems;

/// A value of the file, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    /// The key that it is the value of, as `max_age`.
    pub(super) key: &'a str,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Node<'a> {
    pub(super) fn new(key: &'a str, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { key, value }
    }

    /// Where it stands.
    pub(super) fn span(self) -> Range<usize> {
        self.value.span()
    }

    /// Where the value of a key of it stands; where there is none, itself.
    pub(super) fn at(self, key: &str) -> Range<usize> {
        let value = self.table().and_then(|table| table.get(key));
        value.map_or_else(|| self.span(), Spanned::span)
    }

    /// Whether it has this key.
    pub(super) fn has(self, key: &str) -> bool {
        self.table().is_some_and(|table| table.contains_key(key))
    }

    /// A string with the environment in it, a number or a boolean, as a flag would be given. Notes
    /// what is neither, and variables that are missing.
    pub(super) fn word(self, problems: &mut Problems) -> Option<String> {
        match self.value.get_ref() {
            DeValue::String(text) => match expand(text) {
                Ok(word) => return Some(word),
                Err(error) => {
                    let what = format!("`{}` cannot be made out", self.key);
                    problems.error(self.span(), what, error.to_string());
                }
            },
            DeValue::Integer(number) => return Some(number.to_string()),
            DeValue::Boolean(is_true) => return Some(is_true.to_string()),
            DeValue::Float(_) | DeValue::Datetime(_) => {
                self.unfit("write it as a string, between \"\"", problems);
            }
            DeValue::Array(_) => self.unfit("write one value, without [ ]", problems),
            DeValue::Table(_) => self.unfit("write one value, and no table", problems),
        }
        None
    }

    /// The text of a day, which may be a string with the environment in it. Notes what is neither.
    pub(super) fn day(self, problems: &mut Problems) -> Option<String> {
        match self.value.get_ref() {
            DeValue::Datetime(day) => Some(day.to_string()),
            _ => self.word(problems),
        }
    }

    /// What it is in the file, where it is one word.
    pub(super) fn written(self) -> Option<String> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Boolean(is_true) => Some(is_true.to_string()),
            _ => None,
        }
    }

    /// The elements of an array; of anything else, itself.
    pub(super) fn items(self) -> Vec<Self> {
        match self.value.get_ref() {
            DeValue::Array(array) => array.iter().map(|item| Self::new(self.key, item)).collect(),
            _ => vec![self],
        }
    }

    /// The table that it is.
    pub(super) fn table(self) -> Option<&'a DeTable<'a>> {
        self.value.get_ref().as_table()
    }

    /// Whether it is an array.
    pub(super) fn is_array(self) -> bool {
        self.value.get_ref().is_array()
    }

    /// Notes that it is no value for its key.
    pub(super) fn unfit(self, mend: impl Into<String>, problems: &mut Problems) {
        let key = self.key;
        let what = match (self.value.get_ref(), self.written()) {
            (_, Some(word)) if !word.contains(['\n', '\r']) => {
                let word = polysock::protocols::hide_secrets(&word);
                format!("`{key}` cannot be `{word}`")
            }
            (DeValue::Array(_), _) => format!("`{key}` cannot be this array"),
            (DeValue::Table(_), _) => format!("`{key}` cannot be this table"),
            _ => format!("`{key}` cannot be this"),
        };
        problems.error(self.span(), what, mend);
    }
}
