//! Rules for the header fields of a request or an answer.

use std::collections::BTreeMap;
use std::fs;

use polysock::protocols::Secrets;
use polysock::upstream::{self as library, FieldError};
use serde_json::{Value, json};

use super::form::{Form, List, Word, key, quoted};
use super::key::Key;
use super::node::Node;
use super::reader::Reader;

/// The rules for the header fields of a request or an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderPolicy {
    /// Fields that replace those of the same name.
    pub(crate) set: BTreeMap<String, HeaderValue>,
    /// Fields that are added to those of the same name.
    pub(crate) add: BTreeMap<String, HeaderValue>,
    /// The names of fields that are removed.
    pub(crate) drop: Vec<String>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderValue {
    /// The text, without line ends and other control characters.
    pub(crate) text: String,
    /// True if the value comes from a file or the environment, and so is never shown.
    is_secret: bool,
}

/// The keys of [`HeaderPolicy`].
pub(super) fn keys() -> Vec<Key<HeaderPolicy>> {
    vec![
        Key::new(
            "set",
            Headers,
            |policy: &mut HeaderPolicy| &mut policy.set,
            "Fields that replace those of the same name. A value of the form \"file:PATH\" is read from that file.",
        )
        .example("{ X-Site = \"example\" }"),
        Key::new(
            "add",
            Headers,
            |policy: &mut HeaderPolicy| &mut policy.add,
            "Fields that are added to those of the same name.",
        )
        .example("{ Via = \"1.1 polysock\" }"),
        Key::new(
            "drop",
            List(name()),
            |policy: &mut HeaderPolicy| &mut policy.drop,
            "The names of fields that are removed.",
        )
        .example("[\"X-Powered-By\"]"),
    ]
}

/// The form of a field name.
fn name() -> Word<String> {
    Word {
        read: |text| match library::HeaderPolicy::default().drop(text) {
            Ok(()) => Ok(text.to_owned()),
            Err(error) => Err(mend(&error)),
        },
        write: |name| Some(quoted(name)),
        schema: || json!({ "type": "string" }),
    }
}

/// The form of a table of fields.
struct Headers;

impl Form<BTreeMap<String, HeaderValue>> for Headers {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<BTreeMap<String, HeaderValue>> {
        let Some(table) = node.table() else {
            let mend = "write { NAME = \"VALUE\", … }";
            node.unfit(mend, &mut reader.problems);
            return None;
        };
        let mut fields = BTreeMap::new();
        let mut is_whole = true;
        for (name, value) in table {
            let node = Node::new(name.get_ref(), value);
            if let Err(error) = library::HeaderPolicy::default().set(node.key, "") {
                let what = format!("`{}` is not a valid field name", node.key);
                reader.problems.error(name.span(), what, mend(&error));
                is_whole = false;
            }
            match value_of(node, reader) {
                Some(value) => drop(fields.insert(node.key.to_owned(), value)),
                None => is_whole = false,
            }
        }
        is_whole.then_some(fields)
    }

    fn write(&self, value: &BTreeMap<String, HeaderValue>) -> Option<String> {
        let fields = value.iter().map(|(name, value)| {
            let shown = match value.is_secret || looks_secret(name, &value.text) {
                true => "***",
                false => &*value.text,
            };
            format!("{} = {}", key(name), quoted(shown))
        });
        let fields: Vec<String> = fields.collect();
        Some(match fields.is_empty() {
            true => "{}".to_owned(),
            false => format!("{{ {} }}", fields.join(", ")),
        })
    }

    fn schema(&self) -> Value {
        json!({ "type": "object", "additionalProperties": { "type": "string" } })
    }
}

/// Reads the value of a field, from a file if it begins with `file:`.
fn value_of(node: Node<'_>, reader: &mut Reader) -> Option<HeaderValue> {
    let word = node.word(&mut reader.problems)?;
    let is_from_environment = node.written().is_some_and(|written| written.contains("${"));
    let (text, is_secret) = match word.strip_prefix("file:") {
        None => (word, is_from_environment),
        Some(path) => {
            let path = reader.resolve(path);
            match fs::read_to_string(&path) {
                Ok(text) => (text.trim_end_matches(['\n', '\r']).to_owned(), true),
                Err(error) => {
                    let mend = format!("{} cannot be read: {error}", path.display());
                    node.unfit(mend, &mut reader.problems);
                    return None;
                }
            }
        }
    };
    if text.contains(|c: char| c.is_control() && c != '\t') {
        let what = format!("the value of `{}` is not a valid field value", node.key);
        let mend = "a value has one line and no control characters";
        reader.problems.error(node.span(), what, mend);
        return None;
    }
    if let Err(error @ FieldError::Variable(_)) = library::HeaderPolicy::default().set("a", &text) {
        node.unfit(error.to_string(), &mut reader.problems);
        return None;
    }
    Some(HeaderValue { text, is_secret })
}

/// Describes an error in a field, with the remedy.
fn mend(error: &FieldError) -> String {
    match error {
        FieldError::Host => "set the Host with `upstream_host` instead".to_owned(),
        FieldError::OneSide(_) => format!("leave it out: {error}"),
        other => other.to_string(),
    }
}

/// True if a field contains a secret by the rules for all heads.
fn looks_secret(name: &str, value: &str) -> bool {
    let mut secrets = Secrets::default();
    secrets.collect(format!("GET / HTTP/1.1\r\n{name}: {value}\r\n\r\n").as_bytes());
    secrets.kinds().next().is_some()
}
