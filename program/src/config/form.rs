//! The representation of values in the file.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::node::Node;
use super::reader::Reader;

/// The representation of a value in the file: parsing, showing, and the schema for editors.
pub(super) trait Form<T> {
    /// Parses a value. Records the error and returns `None` if it is invalid.
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<T>;

    /// Parses a value over an existing one. Tables keep the settings whose keys are missing; other
    /// forms replace the value.
    fn read(&self, into: &mut T, node: Node<'_>, reader: &mut Reader) {
        if let Some(value) = self.parse(node, reader) {
            *into = value;
        }
    }

    /// Formats the value as TOML, with secrets masked. Returns `None` for a value that is expressed
    /// by leaving out the key.
    fn write(&self, value: &T) -> Option<String>;

    /// Returns the JSON schema of the value.
    fn schema(&self) -> Value;

    /// Returns the keys of a table.
    fn parts(&self) -> Vec<Part> {
        Vec::new()
    }
}

/// The entry of a key in the reference.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// The default as TOML, or an example.
    pub(super) value: String,
}

/// A form of one word, which may also be the value of a flag.
pub(super) struct Word<T> {
    pub(super) read: fn(&str) -> Result<T, String>,
    pub(super) write: fn(&T) -> Option<String>,
    pub(super) schema: fn() -> Value,
}

impl<T> Form<T> for Word<T> {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<T> {
        let word = node.word(&mut reader.problems)?;
        match (self.read)(&word) {
            Ok(value) => Some(value),
            Err(mend) => {
                node.unfit(mend, &mut reader.problems);
                None
            }
        }
    }

    fn write(&self, value: &T) -> Option<String> {
        (self.write)(value)
    }

    fn schema(&self) -> Value {
        (self.schema)()
    }
}

/// A form of fixed alternatives.
pub(super) struct Choice<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Form<T> for Choice<T> {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<T> {
        let word = node.word(&mut reader.problems)?;
        let mut choices = self.0.iter();
        if let Some((_, value)) = choices.find(|(name, _)| *name == word) {
            return Some(*value);
        }
        let names: Vec<String> = self.0.iter().map(|(name, _)| format!("`{name}`")).collect();
        let mend = format!("write {}", names.join(" or "));
        node.unfit(mend, &mut reader.problems);
        None
    }

    fn write(&self, value: &T) -> Option<String> {
        let mut choices = self.0.iter();
        let (name, _) = choices.find(|(_, choice)| choice == value)?;
        Some(quoted(name))
    }

    fn schema(&self) -> Value {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| *name).collect();
        json!({ "enum": names })
    }
}

/// A form of `true` or `false`. `on` and `off` mean the same, as for a flag.
pub(super) struct Switch;

impl Form<bool> for Switch {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<bool> {
        match &*node.word(&mut reader.problems)? {
            "true" | "on" => Some(true),
            "false" | "off" => Some(false),
            _ => {
                node.unfit("write true or false", &mut reader.problems);
                None
            }
        }
    }

    fn write(&self, value: &bool) -> Option<String> {
        Some(value.to_string())
    }

    fn schema(&self) -> Value {
        json!({ "enum": [true, false, "on", "off"] })
    }
}

/// A form of a value that may be left out, and has no word for that.
pub(super) struct Maybe<F>(pub(super) F);

impl<T, F: Form<T>> Form<Option<T>> for Maybe<F> {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Option<T>> {
        self.0.parse(node, reader).map(Some)
    }

    fn write(&self, value: &Option<T>) -> Option<String> {
        self.0.write(value.as_ref()?)
    }

    fn schema(&self) -> Value {
        self.0.schema()
    }

    fn parts(&self) -> Vec<Part> {
        self.0.parts()
    }
}

/// A form of an array. A single element needs no brackets.
pub(super) struct List<F>(pub(super) F);

impl<T, F: Form<T>> Form<Vec<T>> for List<F> {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Vec<T>> {
        let items = node.items();
        let values: Vec<Option<T>> = items
            .into_iter()
            .map(|item| self.0.parse(item, reader))
            .collect();
        values.into_iter().collect()
    }

    fn write(&self, value: &Vec<T>) -> Option<String> {
        let items: Option<Vec<String>> = value.iter().map(|item| self.0.write(item)).collect();
        Some(format!("[{}]", items?.join(", ")))
    }

    fn schema(&self) -> Value {
        let item = self.0.schema();
        json!({ "anyOf": [item, { "type": "array", "items": item }] })
    }
}

/// A form of a table from names to values.
pub(super) struct Names<F>(pub(super) F);

impl<T, F: Form<T>> Form<BTreeMap<String, T>> for Names<F> {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<BTreeMap<String, T>> {
        let Some(table) = node.table() else {
            node.unfit("write { NAME = VALUE, … }", &mut reader.problems);
            return None;
        };
        let mut values = Some(BTreeMap::new());
        for (name, value) in table {
            let read = self.0.parse(Node::new(name.get_ref(), value), reader);
            values = values.zip(read).map(|(mut values, value)| {
                values.insert(name.get_ref().to_string(), value);
                values
            });
        }
        values
    }

    fn write(&self, value: &BTreeMap<String, T>) -> Option<String> {
        let items = value.iter().map(|(name, value)| {
            let value = self.0.write(value)?;
            Some(format!("{} = {value}", key(name)))
        });
        let items: Option<Vec<String>> = items.collect();
        match items?.join(", ") {
            items if items.is_empty() => Some("{}".to_owned()),
            items => Some(format!("{{ {items} }}")),
        }
    }

    fn schema(&self) -> Value {
        json!({ "type": "object", "additionalProperties": self.0.schema() })
    }
}

/// Formats a name as a TOML key.
pub(super) fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        basic_string(name)
    }
}

/// Formats a text as a string of the file, with dollars escaped.
pub(super) fn quoted(text: &str) -> String {
    basic_string(&super::environment::escape(text))
}

/// Formats a text as a TOML basic string.
fn basic_string(text: &str) -> String {
    let mut written = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => written.extend(['\\', c]),
            c if c.is_control() => written.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => written.push(c),
        }
    }
    written.push('"');
    written
}
