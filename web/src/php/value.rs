//! The values of a PHP session.

use bytes::Bytes;

/// All values of a session. They refer to each other by index, as a value can be in several places,
/// or contain itself. Values and members are in two vectors, so that a session of many values needs
/// few allocations.
pub(super) struct Arena {
    /// The serialised session.
    data: Bytes,
    pub(super) values: Vec<Value>,
    /// The members of all arrays and objects.
    members: Vec<Member>,
}

/// A value.
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A string, which is not necessarily UTF-8.
    Bytes(Span),
    Array(Span),
    Object {
        class: Span,
        members: Span,
    },
    /// An object that only its class can read.
    Opaque {
        class: Span,
    },
    /// A case of an enum: `Enum:Case`.
    Case(Span),
}

/// An element of an array, or a member of an object.
pub(super) struct Member {
    pub(super) key: Key,
    /// The index of the value.
    pub(super) value: usize,
}

/// The key of an element, or the name of a member.
pub(super) enum Key {
    Int(i64),
    Bytes(Span),
}

/// A range of the data, or of the members.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Arena {
    pub(super) fn new(data: Bytes) -> Self {
        Self {
            data,
            values: Vec::new(),
            members: Vec::new(),
        }
    }

    /// Adds the members of an array or of an object, and returns their range.
    pub(super) fn add_members(&mut self, members: impl Iterator<Item = Member>) -> Span {
        let start = self.members.len();
        self.members.extend(members);
        Span {
            start,
            end: self.members.len(),
        }
    }

    // Spans and indices come from the arena alone, so the defaults below are never used.

    pub(super) fn get(&self, index: usize) -> &Value {
        self.values.get(index).unwrap_or(&Value::Null)
    }

    pub(super) fn members(&self, span: Span) -> &[Member] {
        self.members.get(span.start..span.end).unwrap_or_default()
    }

    pub(super) fn text(&self, span: Span) -> &[u8] {
        self.data.get(span.start..span.end).unwrap_or_default()
    }

    pub(super) fn bytes(&self, span: Span) -> Bytes {
        self.data.slice_ref(self.text(span))
    }
}

impl Key {
    /// Whether the key has this name. A number must be written as PHP does.
    pub(super) fn is(&self, name: &str, arena: &Arena) -> bool {
        match self {
            Self::Int(number) => name.parse() == Ok(*number) && name == number.to_string(),
            Self::Bytes(span) => arena.text(*span) == name.as_bytes(),
        }
    }

    /// Whether a member of an object has this name in its class.
    pub(super) fn is_of_member(&self, name: &str, arena: &Arena) -> bool {
        match self {
            Self::Int(_) => self.is(name, arena),
            Self::Bytes(span) => plain(arena.text(*span)) == name.as_bytes(),
        }
    }

    /// Returns the key as text.
    pub(super) fn name(&self, arena: &Arena) -> String {
        match self {
            Self::Int(number) => number.to_string(),
            Self::Bytes(span) => String::from_utf8_lossy(arena.text(*span)).into_owned(),
        }
    }

    /// Returns the name of a member in its class, and whether it is private or protected.
    pub(super) fn name_of_member(&self, arena: &Arena) -> (String, bool) {
        match self {
            Self::Int(_) => (self.name(arena), false),
            Self::Bytes(span) => {
                let text = arena.text(*span);
                let plain = plain(text);
                let name = String::from_utf8_lossy(plain).into_owned();
                (name, plain.len() < text.len())
            }
        }
    }
}

/// Returns the name of a member in its class: a private member is `\0Class\0name`, a protected one
/// `\0*\0name`.
fn plain(name: &[u8]) -> &[u8] {
    let Some(rest) = name.strip_prefix(b"\0") else {
        return name;
    };
    let end = rest.iter().position(|byte| *byte == 0);
    end.and_then(|end| rest.get(end + 1..)).unwrap_or(name)
}
