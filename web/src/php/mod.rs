//! PHP's three serializers: `php`, `php_binary` and `php_serialize`.
//!
//! No code of an app is run: classes are only names. Data that cannot be parsed completely is an
//! error, and no part of it is returned.

mod error;
mod json;
mod parser;
mod value;

use std::fmt;

use bytes::Bytes;
use serde_json::Value as Json;

pub use self::error::PhpError;
use self::parser::Parser;
use self::value::{Arena, Key, Member, Span, Value};

/// The longest session, in bytes.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;

/// The deepest nesting of values.
const MAX_DEPTH: usize = 64;

/// The most values in a session, and the most in its JSON.
const MAX_VALUES: usize = 100_000;

/// The format of a session: `session.serialize_handler`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Serializer {
    /// `php`, the default of PHP: a sequence of `NAME|VALUE`.
    #[default]
    Php,
    /// `php_binary`: a byte with the length of the name, the name, the value.
    PhpBinary,
    /// `php_serialize`: one array of all variables.
    PhpSerialize,
}

/// The variables of a PHP session.
pub(crate) struct Variables {
    arena: Arena,
    top: Span,
}

/// The variables as the serializer writes them.
enum Top {
    Names(Vec<Member>),
    /// The index of an array of all variables.
    Array(usize),
}

impl Variables {
    /// Parses a session. Empty data are an empty session.
    ///
    /// # Errors
    ///
    /// Some of the data is not valid for this serializer, or exceeds a limit.
    pub(crate) fn read(bytes: &Bytes, serializer: Serializer) -> Result<Self, PhpError> {
        if bytes.len() > MAX_BYTES {
            return Err(PhpError::Length(bytes.len()));
        }
        let mut parser = Parser::new(bytes);
        let top = match serializer {
            Serializer::Php => named(&mut parser),
            Serializer::PhpBinary => counted(&mut parser),
            Serializer::PhpSerialize => one(&mut parser),
        };
        let top = top.map_err(|error| foreign(bytes).unwrap_or(error))?;
        match top {
            Top::Names(variables) => {
                let (arena, top) = parser.finish(variables);
                Ok(Self { arena, top })
            }
            Top::Array(index) => {
                let (arena, _) = parser.finish(Vec::new());
                match *arena.get(index) {
                    Value::Array(top) => Ok(Self { arena, top }),
                    _ => Err(foreign(bytes).unwrap_or(PhpError::NoArray)),
                }
            }
        }
    }

    /// Returns the variable with this name.
    pub(crate) fn variable(&self, name: &str) -> Option<Found<'_>> {
        let index = last(self.members(), |key| key.is(name, &self.arena))?;
        Some(Found { of: self, index })
    }

    /// Returns all variables as one JSON object.
    pub(crate) fn json(&self) -> Json {
        let named = self.members().iter().map(|member| {
            let value = self.arena.json(member.value);
            (member.key.name(&self.arena), value)
        });
        Json::Object(named.collect())
    }

    fn members(&self) -> &[Member] {
        self.arena.members(self.top)
    }
}

/// Shows none of the values.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variables").finish_non_exhaustive()
    }
}

/// A value that was found in a session.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    of: &'a Variables,
    index: usize,
}

impl Found<'_> {
    /// Returns the element or the member with this name.
    pub(crate) fn member(self, name: &str) -> Option<Self> {
        let arena = &self.of.arena;
        let index = match arena.get(self.index) {
            Value::Array(members) => last(arena.members(*members), |key| key.is(name, arena))?,
            Value::Object { members, .. } => {
                let members = arena.members(*members);
                last(members, |key| key.is(name, arena)).or_else(|| {
                    let mut members = members.iter();
                    let hidden = members.find(|member| member.key.is_of_member(name, arena))?;
                    Some(hidden.value)
                })?
            }
            _ => return None,
        };
        Some(Self { index, ..self })
    }

    /// Returns the bytes of a string.
    pub(crate) fn bytes(self) -> Option<Bytes> {
        match self.of.arena.get(self.index) {
            Value::Bytes(span) => Some(self.of.arena.bytes(*span)),
            _ => None,
        }
    }

    /// Returns the value as JSON.
    pub(crate) fn json(self) -> Json {
        self.of.arena.json(self.index)
    }
}

/// Parses `php`: names up to a `|`, and values.
fn named(parser: &mut Parser<'_>) -> Result<Top, PhpError> {
    let mut variables = Vec::new();
    while !parser.is_done() {
        let at = parser.position();
        let name = parser.until(b'|').ok_or(PhpError::Name(at))?;
        let value = parser.value(1)?;
        variables.push(Member {
            key: Key::Bytes(name),
            value,
        });
    }
    Ok(Top::Names(variables))
}

/// Parses `php_binary`: the lengths of the names, the names, and values.
fn counted(parser: &mut Parser<'_>) -> Result<Top, PhpError> {
    let mut variables = Vec::new();
    while !parser.is_done() {
        let at = parser.position();
        // Older versions of PHP set the highest bit for a variable without a value.
        let length = usize::from(parser.byte()? & 0x7f);
        let name = parser.take(length).map_err(|_| PhpError::Name(at))?;
        let value = parser.value(1)?;
        variables.push(Member {
            key: Key::Bytes(name),
            value,
        });
    }
    Ok(Top::Names(variables))
}

/// Parses `php_serialize`: an array, which has the first reference number.
fn one(parser: &mut Parser<'_>) -> Result<Top, PhpError> {
    if parser.is_done() {
        return Ok(Top::Names(Vec::new()));
    }
    let value = parser.value(0)?;
    match parser.is_done() {
        true => Ok(Top::Array(value)),
        false => Err(PhpError::Syntax(parser.position())),
    }
}

/// Recognises data of other serializers. `None` if the data is not from one of them.
fn foreign(bytes: &Bytes) -> Option<PhpError> {
    let mut parser = Parser::new(bytes);
    let is_one_string = bytes.starts_with(b"s:") && parser.value(0).is_ok() && parser.is_done();
    match *bytes.get(..4)? {
        // The version of igbinary's format, as 32 bits.
        [0, 0, 0, 1 | 2] => Some(PhpError::Serializer("igbinary")),
        // A MessagePack map: of up to 15 pairs, or with a length of 16 or 32 bits.
        [0x80..=0x8f | 0xde | 0xdf, ..] => Some(PhpError::Serializer("msgpack")),
        _ => is_one_string.then_some(PhpError::Marshalled),
    }
}

/// Returns the last value with a matching key, which is the one that counts.
fn last(members: &[Member], is_such: impl Fn(&Key) -> bool) -> Option<usize> {
    let mut members = members.iter().rev();
    let member = members.find(|member| is_such(&member.key))?;
    Some(member.value)
}
