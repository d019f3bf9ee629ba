//! A value of the file and its place.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::environment::expand;
use super::problem::Problems;

/// A value of the file and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    /// The key of the value, as `max_age`.
    pub(super) key: &'a str,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Node<'a> {
    pub(super) fn new(key: &'a str, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { key, value }
    }

    /// The byte range of the value.
    pub(super) fn span(self) -> Range<usize> {
        self.value.span()
    }

    /// The byte range of the value of `key`, or of the whole node if the key is missing.
    pub(super) fn at(self, key: &str) -> Range<usize> {
        let value = self.table().and_then(|table| table.get(key));
        value.map_or_else(|| self.span(), Spanned::span)
    }

    /// True if the node is a table with this key.
    pub(super) fn has(self, key: &str) -> bool {
        self.table().is_some_and(|table| table.contains_key(key))
    }

    /// Returns a string with its variables expanded, or a number or boolean as text, in the form of
    /// a flag's value. Records an error for other types and for missing variables.
    pub(super) fn word(self, problems: &mut Problems) -> Option<String> {
        match self.value.get_ref() {
            DeValue::String(text) => match expand(text) {
                Ok(word) => return Some(word),
                Err(error) => {
                    let what = format!("the variables in `{}` cannot be expanded", self.key);
                    problems.error(self.span(), what, error.to_string());
                }
            },
            DeValue::Integer(number) => return Some(number.to_string()),
            DeValue::Boolean(is_true) => return Some(is_true.to_string()),
            DeValue::Float(_) | DeValue::Datetime(_) => {
                self.unfit("write it as a string, between \"\"", problems);
            }
            DeValue::Array(_) => self.unfit("write one value, without [ ]", problems),
            DeValue::Table(_) => self.unfit("write one value instead of a table", problems),
        }
        None
    }

    /// Returns the text of a date, which may also be a string with variables. Records an error for
    /// other types.
    pub(super) fn day(self, problems: &mut Problems) -> Option<String> {
        match self.value.get_ref() {
            DeValue::Datetime(day) => Some(day.to_string()),
            _ => self.word(problems),
        }
    }

    /// Returns the text as written in the file, if the value is a single word.
    pub(super) fn written(self) -> Option<String> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Boolean(is_true) => Some(is_true.to_string()),
            _ => None,
        }
    }

    /// The elements of an array, or the node itself if it is not an array.
    pub(super) fn items(self) -> Vec<Self> {
        match self.value.get_ref() {
            DeValue::Array(array) => array.iter().map(|item| Self::new(self.key, item)).collect(),
            _ => vec![self],
        }
    }

    /// The table, if the node is one.
    pub(super) fn table(self) -> Option<&'a DeTable<'a>> {
        self.value.get_ref().as_table()
    }

    /// True if the node is an array.
    pub(super) fn is_array(self) -> bool {
        self.value.get_ref().is_array()
    }

    /// Records that the value is invalid for its key.
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
