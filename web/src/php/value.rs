//! The values of a session of PHP.

use bytes::Bytes;

/// All values of a session. They name each other by their index, as one may be in several places, or
/// contain itself. Nothing in it is on its own, so that a session of many values costs few allocations.
pub(super) struct Arena {
    /// What the session was read from.
    data: Bytes,
    pub(super) values: Vec<Value>,
    /// The members of each array and each object, together.
    members: Vec<Member>,
}

/// A value.
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A string, which may be no UTF-8.
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

/// What an element or a member is called.
pub(super) enum Key {
    Int(i64),
    Bytes(Span),
}

/// A part of the data, or of the members.
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

    /// Adds the members of an array or of an object.
    pub(super) fn add_members(&mut self, members: impl Iterator<Item = Member>) -> Span {
        let start = self.members.len();
        self.members.extend(members);
        Span {
            start,
            end: self.members.len(),
        }
    }

    // What a span or an index says is given out by the arena alone.

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
    /// Whether it is called this; a number as PHP writes it.
    pub(super) fn is(&self, name: &str, arena: &Arena) -> bool {
        match self {
            Self::Int(number) => name.parse() == Ok(*number) && name == number.to_string(),
            Self::Bytes(span) => arena.text(*span) == name.as_bytes(),
        }
    }

    /// Whether a member of an object is called this in its class.
    pub(super) fn is_of_member(&self, name: &str, arena: &Arena) -> bool {
        match self {
            Self::Int(_) => self.is(name, arena),
            Self::Bytes(span) => plain(arena.text(*span)) == name.as_bytes(),
        }
    }

    /// Its name as text.
    pub(super) fn name(&self, arena: &Arena) -> String {
        match self {
            Self::Int(number) => number.to_string(),
            Self::Bytes(span) => String::from_utf8_lossy(arena.text(*span)).into_owned(),
        }
    }

    /// The name of a member of an object in its class, and whether it is not public there.
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

/// A name as the class writes it: a private member is `\0Class\0name`, a protected one `\0*\0name`.
fn plain(name: &[u8]) -> &[u8] {
    let Some(rest) = name.strip_prefix(b"\0") else {
        return name;
    };
    let end = rest.iter().position(|byte| *byte == 0);
    end.and_then(|end| rest.get(end + 1..)).unwrap_or(name)
}
