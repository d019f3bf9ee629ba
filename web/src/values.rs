//! The values of a session.

use std::fmt;

use bytes::Bytes;
use serde_json::Value as Json;

use crate::php::{Found, PhpError, Serializer, Variables};

/// The bag in which Symfony keeps the values of an app.
const ATTRIBUTES: &str = "_sf2_attributes";

/// The values of a session, by name.
pub struct Values {
    kind: Kind,
}

enum Kind {
    Json(Json),
    Php(Variables),
}

/// A value that was found.
#[derive(Clone, Copy)]
enum Node<'a> {
    Json(&'a Json),
    Php(Found<'a>),
}

impl Values {
    /// Creates values from JSON. Nothing is found in them unless they are an object.
    pub fn json(values: Json) -> Self {
        Self {
            kind: Kind::Json(values),
        }
    }

    /// Parses values that PHP has written with this serializer. Empty data are a session without
    /// values.
    ///
    /// # Errors
    ///
    /// Some of the data is not valid for the serializer, is longer than 1 MiB, has more than
    /// 100,000 values, or nests them deeper than 64.
    pub fn php(data: &Bytes, serializer: Serializer) -> Result<Self, PhpError> {
        Ok(Self {
            kind: Kind::Php(Variables::read(data, serializer)?),
        })
    }

    /// Returns the value at a path, as JSON.
    ///
    /// A path is a name, or names separated by dots: `user.id` is the value `user.id`, or else `id`
    /// in `user`. Each is first looked for among the attributes of Symfony, and then at the top.
    ///
    /// A PHP array whose keys are 0, 1, 2 and so on becomes a JSON array; any other becomes an
    /// object. An object becomes an object, with its class as `__PHP_Incomplete_Class_Name` next to
    /// its members. A case of an enum becomes the text `Enum:Case`. Strings that are not UTF-8
    /// contain U+FFFD ([`bytes`](Self::bytes) returns them unchanged), and numbers that JSON lacks
    /// (`INF`, `NAN`) become null. References are followed; a value that contains itself is null
    /// within itself.
    pub fn get(&self, path: &str) -> Option<Json> {
        Some(match self.find(path)? {
            Node::Json(value) => value.clone(),
            Node::Php(found) => found.json(),
        })
    }

    /// Returns the bytes of the string at a path unchanged, whether they are UTF-8 or not.
    pub fn bytes(&self, path: &str) -> Option<Bytes> {
        match self.find(path)? {
            Node::Json(value) => value
                .as_str()
                .map(|text| Bytes::copy_from_slice(text.as_bytes())),
            Node::Php(found) => found.bytes(),
        }
    }

    /// Returns the value at a path as text for a header field: a string unchanged if it is UTF-8;
    /// numbers, `true` and `false`; lists and objects as JSON. `None` for null.
    pub fn text(&self, path: &str) -> Option<String> {
        if let Some(bytes) = self.bytes(path) {
            return String::from_utf8(bytes.into()).ok();
        }
        match self.get(path)? {
            Json::Null => None,
            value => Some(value.to_string()),
        }
    }

    /// Returns all values as one JSON object.
    pub fn to_json(&self) -> Json {
        match &self.kind {
            Kind::Json(values) => values.clone(),
            Kind::Php(variables) => variables.json(),
        }
    }

    fn find(&self, path: &str) -> Option<Node<'_>> {
        let attributes = self.top(ATTRIBUTES);
        let attribute = attributes.and_then(|bag| walk(path, &|name| bag.member(name)));
        attribute.or_else(|| walk(path, &|name| self.top(name)))
    }

    fn top(&self, name: &str) -> Option<Node<'_>> {
        match &self.kind {
            Kind::Json(values) => values.get(name).map(Node::Json),
            Kind::Php(variables) => variables.variable(name).map(Node::Php),
        }
    }
}

impl<'a> Node<'a> {
    fn member(self, name: &str) -> Option<Self> {
        match self {
            Self::Json(Json::Array(values)) => {
                let value = name.parse().ok().and_then(|at: usize| values.get(at));
                value.map(Self::Json)
            }
            Self::Json(value) => value.get(name).map(Self::Json),
            Self::Php(found) => found.member(name).map(Self::Php),
        }
    }
}

/// Shows none of the values.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").finish_non_exhaustive()
    }
}

/// Returns the value at a path below `top`.
fn walk<'a>(path: &str, top: &dyn Fn(&str) -> Option<Node<'a>>) -> Option<Node<'a>> {
    if let Some(found) = top(path) {
        return Some(found);
    }
    // Dots can be part of a name, so the longest name is tried first.
    let mut dots = path.rmatch_indices('.');
    dots.find_map(|(dot, _)| {
        let (name, rest) = (path.get(..dot)?, path.get(dot + 1..)?);
        let above = top(name)?;
        walk(rest, &|name| above.member(name))
    })
}
