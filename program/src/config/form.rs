//! How a value is written in the file.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::node::Node;
use super::reader::Reader;

/// How a value is written in the file: how it is read, shown, and described to an editor.
pub(super) trait Form<T> {
    /// Reads a value. Notes what is wrong with it, and is `None` then.
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<T>;

    /// Reads a value into one that is there. Only what has keys keeps of it what it has no keys for.
    fn read(&self, into: &mut T, node: Node<'_>, reader: &mut Reader) {
        if let Some(value) = self.parse(node, reader) {
            *into = value;
        }
    }

    /// The value as TOML, secrets masked; `None` where that it is not given is all there is to say.
    fn write(&self, value: &T) -> Option<String>;

    /// The JSON schema of what may stand there.
    fn schema(&self) -> Value;

    /// The keys of a table.
    fn parts(&self) -> Vec<Part> {
        Vec::new()
    }
}

/// What the reference says of a key.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Its default as TOML, or an example.
    pub(super) value: String,
}

/// One word, which a flag may have as well.
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

/// One of some words.
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

/// `true` or `false`; as for a flag, `on` and `off` are the same.
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

/// What need not be given, and has no word for that.
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

/// An array; a single element may stand without its brackets.
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

/// A table of what has names.
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

/// A name as a key of TOML.
pub(super) fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        basic_string(name)
    }
}

/// A text as a string of the file.
pub(super) fn quoted(text: &str) -> String {
    basic_string(&super::environment::escape(text))
}

/// A text as a basic string of TOML.
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
