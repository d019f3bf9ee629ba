//! The values of a session of PHP.

use bytes::Bytes;

/// All values of a session. They name each other by their index, as one may be in several places, or
/// contain itself.
#[derive(Default)]
pub(super) struct Arena {
    pub(super) values: Vec<Value>,
}

/// A value.
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A string, which may be no UTF-8.
    Bytes(Bytes),
    Array(Vec<Member>),
    Object {
        class: Bytes,
        members: Vec<Member>,
    },
    /// An object that only its class can read.
    Opaque {
        class: Bytes,
    },
    /// A case of an enum: `Enum:Case`.
    Case(Bytes),
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
    Bytes(Bytes),
}

impl Arena {
    pub(super) fn get(&self, index: usize) -> &Value {
        // An index is given out by the arena alone.
        self.values.get(index).unwrap_or(&Value::Null)
    }
}

impl Key {
    /// Whether it is called this; a number as PHP writes it.
    pub(super) fn is(&self, name: &str) -> bool {
        match self {
            Self::Int(number) => name.parse() == Ok(*number) && name == number.to_string(),
            Self::Bytes(bytes) => bytes == name.as_bytes(),
        }
    }

    /// Whether a member of an object is called this in its class.
    pub(super) fn is_of_member(&self, name: &str) -> bool {
        match self {
            Self::Int(_) => self.is(name),
            Self::Bytes(bytes) => plain(bytes) == name.as_bytes(),
        }
    }

    /// Its name as text.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Int(number) => number.to_string(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    /// The name of a member of an object in its class, and whether it is not public there.
    pub(super) fn name_of_member(&self) -> (String, bool) {
        match self {
            Self::Int(_) => (self.name(), false),
            Self::Bytes(bytes) => {
                let plain = plain(bytes);
                let name = String::from_utf8_lossy(plain).into_owned();
                (name, plain.len() < bytes.len())
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
