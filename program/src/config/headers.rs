//! What becomes of the header fields of a request or an answer.

use std::collections::BTreeMap;
use std::fs;

use polysock::protocols::Secrets;
use polysock::upstream::{self as library, FieldError};
use serde_json::{Value, json};

use super::form::{Form, List, Word, key, quoted};
use super::key::Key;
use super::node::Node;
use super::reader::Reader;

/// What becomes of the header fields of a request or an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderPolicy {
    /// Fields that take the place of those of their name.
    pub(crate) set: BTreeMap<String, HeaderValue>,
    /// Fields that stand beside those of their name.
    pub(crate) add: BTreeMap<String, HeaderValue>,
    /// The names of those that do not pass.
    pub(crate) drop: Vec<String>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderValue {
    /// Without line ends and other control characters.
    pub(crate) text: String,
    /// Whether it is from a file or the environment, and so is shown nowhere.
    is_secret: bool,
}

/// Its keys.
pub(super) fn keys() -> Vec<Key<HeaderPolicy>> {
    vec![
        Key::new(
            "set",
            Headers,
            |policy: &mut HeaderPolicy| &mut policy.set,
            "Fields that take the place of those of their name. A value of the form \"file:PATH\" is read \
             from that file.",
        )
        .example("{ X-Site = \"example\" }"),
        Key::new(
            "add",
            Headers,
            |policy: &mut HeaderPolicy| &mut policy.add,
            "Fields that stand beside those of their name.",
        )
        .example("{ Via = \"1.1 polysock\" }"),
        Key::new(
            "drop",
            List(name()),
            |policy: &mut HeaderPolicy| &mut policy.drop,
            "Fields that do not pass.",
        )
        .example("[\"X-Powered-By\"]"),
    ]
}

/// The name of a field.
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

/// Fields by their names.
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
                let what = format!("`{}` cannot be the name of a field", node.key);
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

/// The value of a field, out of a file where it says so.
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
        let what = format!("the value of `{}` is no header value", node.key);
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

/// What is wrong with a field, and the mend.
fn mend(error: &FieldError) -> String {
    match error {
        FieldError::Host => {
            "write `upstream_host` beside it: it says which Host is sent".to_owned()
        }
        FieldError::OneSide(_) => format!("leave it out: {error}"),
        other => other.to_string(),
    }
}

/// Whether a field is one that nobody should see, by the rules that hold for all heads.
fn looks_secret(name: &str, value: &str) -> bool {
    let mut secrets = Secrets::default();
    secrets.collect(format!("GET / HTTP/1.1\r\n{name}: {value}\r\n\r\n").as_bytes());
    secrets.kinds().next().is_some()
}
