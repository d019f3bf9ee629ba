//! PHP's three serializers: `php`, `php_binary` and `php_serialize`.
//!
//! Nothing here runs code of an app: classes are names. What cannot be read whole is no session, and no
//! part of it is handed out.

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

/// The most bytes of a session.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;

/// How deep values may be nested.
const MAX_DEPTH: usize = 64;

/// The most values of a session, and the most that one is written as in JSON.
const MAX_VALUES: usize = 100_000;

/// How PHP writes a session: `session.serialize_handler`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Serializer {
    /// `php`, the default of PHP: `NAME|VALUE`, one after the other.
    #[default]
    Php,
    /// `php_binary`: a byte with the length of the name, the name, the value.
    PhpBinary,
    /// `php_serialize`: one array of all.
    PhpSerialize,
}

/// The variables of a session of PHP.
pub(crate) struct Variables {
    arena: Arena,
    top: Span,
}

/// What names the variables.
enum Top {
    Names(Vec<Member>),
    /// An array of them all, by its index.
    Array(usize),
}

impl Variables {
    /// Reads a session. Empty data are an empty session.
    ///
    /// # Errors
    ///
    /// Some of the data is not what this serializer writes, or over a limit.
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

    /// The variable of this name.
    pub(crate) fn variable(&self, name: &str) -> Option<Found<'_>> {
        let index = last(self.members(), |key| key.is(name, &self.arena))?;
        Some(Found { of: self, index })
    }

    /// All of it as JSON.
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

/// Nothing of them is shown.
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
    /// The element or the member of this name.
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

    /// The bytes of a string.
    pub(crate) fn bytes(self) -> Option<Bytes> {
        match self.of.arena.get(self.index) {
            Value::Bytes(span) => Some(self.of.arena.bytes(*span)),
            _ => None,
        }
    }

    /// The value as JSON.
    pub(crate) fn json(self) -> Json {
        self.of.arena.json(self.index)
    }
}

/// `php`: names up to a `|`, and values.
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

/// `php_binary`: the lengths of the names, the names, and values.
fn counted(parser: &mut Parser<'_>) -> Result<Top, PhpError> {
    let mut variables = Vec::new();
    while !parser.is_done() {
        let at = parser.position();
        // The highest bit said once that a variable has no value.
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

/// `php_serialize`: an array, which has the first number.
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

/// Who else has written data that are not as they should be.
fn foreign(bytes: &Bytes) -> Option<PhpError> {
    let mut parser = Parser::new(bytes);
    let is_one_string = bytes.starts_with(b"s:") && parser.value(0).is_ok() && parser.is_done();
    match *bytes.get(..4)? {
        // The version of the format, as 32 bits.
        [0, 0, 0, 1 | 2] => Some(PhpError::Serializer("igbinary")),
        // A map: of up to 15 pairs, or with a length of 16 or of 32 bits.
        [0x80..=0x8f | 0xde | 0xdf, ..] => Some(PhpError::Serializer("msgpack")),
        _ => is_one_string.then_some(PhpError::Marshalled),
    }
}

/// The last value under such a key, which is the one that counts.
fn last(members: &[Member], is_such: impl Fn(&Key) -> bool) -> Option<usize> {
    let mut members = members.iter().rev();
    let member = members.find(|member| is_such(&member.key))?;
    Some(member.value)
}
