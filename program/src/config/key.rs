//! Keys of the file: name, description, form and setting.

use std::ops::Range;

use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::DeString;

use super::form::{Form, Part};
use super::node::Node;
use super::reader::Reader;

/// A key of a table that is read into an `S`. Reading, showing, the reference and the schema all
/// use the same lists of keys.
pub(super) struct Key<S> {
    pub(super) name: &'static str,
    /// The description, in lines for the reference.
    pub(super) about: &'static str,
    /// A value for the reference, if the default is missing or says little.
    pub(super) example: Option<&'static str>,
    field: Box<dyn Field<S>>,
}

/// Access to the setting of a key.
trait Field<S> {
    fn read(&self, settings: &mut S, node: Node<'_>, reader: &mut Reader);
    fn write(&self, settings: &mut S) -> Option<String>;
    fn schema(&self) -> Value;
    fn parts(&self) -> Vec<Part>;
}

/// A field of a settings struct, with its form.
struct Lens<S, T, F> {
    form: F,
    field: fn(&mut S) -> &mut T,
}

impl<S, T, F: Form<T>> Field<S> for Lens<S, T, F> {
    fn read(&self, settings: &mut S, node: Node<'_>, reader: &mut Reader) {
        self.form.read((self.field)(settings), node, reader);
    }

    fn write(&self, settings: &mut S) -> Option<String> {
        self.form.write((self.field)(settings))
    }

    fn schema(&self) -> Value {
        self.form.schema()
    }

    fn parts(&self) -> Vec<Part> {
        self.form.parts()
    }
}

impl<S: 'static> Key<S> {
    pub(super) fn new<T: 'static>(
        name: &'static str,
        form: impl Form<T> + 'static,
        field: fn(&mut S) -> &mut T,
        about: &'static str,
    ) -> Self {
        Self {
            name,
            about,
            example: None,
            field: Box::new(Lens { form, field }),
        }
    }

    /// Returns the key with an example value for the reference.
    pub(super) fn example(self, example: &'static str) -> Self {
        Self {
            example: Some(example),
            ..self
        }
    }

    /// Formats the value as TOML, with secrets masked. Returns `None` if it is not set.
    pub(super) fn write(&self, settings: &mut S) -> Option<String> {
        self.field.write(settings)
    }

    /// Returns the key's entry in the reference. `settings` has the defaults.
    pub(super) fn part(&self, settings: &mut S) -> Part {
        let example = || self.example.map(str::to_owned);
        Part {
            name: self.name,
            about: self.about,
            value: example().or(self.write(settings)).unwrap_or_default(),
        }
    }

    /// Returns the keys inside the key, if it is a table.
    pub(super) fn parts(&self) -> Vec<Part> {
        self.field.parts()
    }
}

/// The entries of a table that have not been read yet.
pub(super) struct Entries<'a> {
    /// The name of the table in the file, as `[[route]]`.
    title: &'a str,
    left: Vec<(&'a Spanned<DeString<'a>>, Node<'a>)>,
    known: Vec<&'static str>,
}

impl<'a> Entries<'a> {
    /// Collects the entries of a table. Records an error and returns none if the node is not a
    /// table.
    pub(super) fn new(title: &'a str, node: Node<'a>, reader: &mut Reader) -> Self {
        let Some(table) = node.table() else {
            let mend = match title.starts_with('[') {
                true => format!("write {title} above its keys"),
                false => "write its keys as { KEY = VALUE, … }".to_owned(),
            };
            node.unfit(mend, &mut reader.problems);
            return Self {
                title,
                left: Vec::new(),
                known: Vec::new(),
            };
        };
        let entries = table.iter();
        let entries = entries.map(|(name, value)| (name, Node::new(name.get_ref(), value)));
        Self {
            title,
            left: entries.collect(),
            known: Vec::new(),
        }
    }

    /// Reads the values of these keys.
    pub(super) fn read<S>(&mut self, keys: &[Key<S>], settings: &mut S, reader: &mut Reader) {
        for key in keys {
            self.known.push(key.name);
            if let Some(node) = self.take(key.name) {
                key.field.read(settings, node, reader);
            }
        }
    }

    /// Takes the value of a key that is read by other code.
    pub(super) fn take(&mut self, name: &str) -> Option<Node<'a>> {
        let at = self.left.iter().position(|(_, node)| node.key == name)?;
        Some(self.left.remove(at).1)
    }

    /// Adds a name to the known keys.
    pub(super) fn know(&mut self, name: &'static str) {
        self.known.push(name);
    }

    /// True if the entry of this key has not been read yet.
    pub(super) fn has(&self, name: &str) -> bool {
        self.left.iter().any(|(_, node)| node.key == name)
    }

    /// Records errors for the remaining, unknown keys. `elsewhere` has the keys of other tables
    /// with their names, for suggestions.
    pub(super) fn finish(self, elsewhere: &[(&str, &[&str])], reader: &mut Reader) {
        for (name, _) in &self.left {
            let at: Range<usize> = name.span();
            let what = format!("there is no key `{}` in {}", name.get_ref(), self.title);
            let mend = self.mend(name.get_ref(), elsewhere);
            reader.problems.error(at, what, mend);
        }
    }

    fn mend(&self, name: &str, elsewhere: &[(&str, &[&str])]) -> String {
        if let Some(alike) = alike(name, &self.known) {
            return format!("did you mean `{alike}`?");
        }
        let name = &*name.replace('-', "_");
        let mut others = elsewhere.iter();
        match others.find(|(_, names)| names.contains(&name)) {
            Some((title, _)) => format!("`{name}` is a key of {title}"),
            None => "leave it out, or see `polysock config default` for all keys".to_owned(),
        }
    }
}

/// Finds the known name that is most similar, if it is similar enough.
pub(super) fn alike<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.replace('-', "_");
    let alike = known.iter().map(|known| {
        let distance = strsim::damerau_levenshtein(&name, known);
        (distance, *known)
    });
    let (distance, known) = alike.min()?;
    (distance <= 1 + name.len() / 4).then_some(known)
}

/// Returns the schema properties of a table with these keys.
pub(super) fn properties<S>(keys: &[Key<S>]) -> Map<String, Value> {
    let property = |key: &Key<S>| {
        let mut schema = key.field.schema();
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".to_owned(), json!(key.about));
        }
        (key.name.to_owned(), schema)
    };
    keys.iter().map(property).collect()
}

/// A table as the value of a key.
pub(super) struct Section<S: 'static> {
    /// The name of the table in the file, as `[route.exec]`.
    pub(super) title: &'static str,
    pub(super) keys: fn() -> Vec<Key<S>>,
}

impl<S: Clone + Default> Form<S> for Section<S> {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<S> {
        let mut settings = S::default();
        self.read(&mut settings, node, reader);
        Some(settings)
    }

    fn read(&self, into: &mut S, node: Node<'_>, reader: &mut Reader) {
        let mut entries = Entries::new(self.title, node, reader);
        entries.read(&(self.keys)(), into, reader);
        entries.finish(&[], reader);
    }

    fn write(&self, value: &S) -> Option<String> {
        let mut value = value.clone();
        let keys = (self.keys)();
        let items = keys.iter().filter_map(|key| {
            let value = key.write(&mut value)?;
            Some(format!("{} = {value}", key.name))
        });
        let items: Vec<String> = items.collect();
        Some(format!("{{ {} }}", items.join(", ")))
    }

    fn parts(&self) -> Vec<Part> {
        let mut defaults = S::default();
        let keys = (self.keys)();
        keys.iter().map(|key| key.part(&mut defaults)).collect()
    }

    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": properties(&(self.keys)()),
            "additionalProperties": false,
        })
    }
}
