//! A parser for the output of PHP's `serialize`.

use bytes::Bytes;

use super::value::{Arena, Key, Member, Span, Value};
use super::{MAX_DEPTH, MAX_VALUES, PhpError};

/// Parses a sequence of values. References are numbered across all of them.
pub(super) struct Parser<'a> {
    bytes: &'a Bytes,
    at: usize,
    arena: Arena,
    /// The members parsed so far of arrays and objects that are not complete.
    open: Vec<Member>,
    /// The targets of references: the value with the number N is at N - 1.
    slots: Vec<usize>,
    /// The number of values that were parsed, references included.
    count: usize,
    /// The number of slots up to the first object that only its class can parse. The number of
    /// values in that object is unknown, so later reference numbers are unknown, too. `None` before
    /// such an object.
    counted: Option<usize>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(bytes: &'a Bytes) -> Self {
        Self {
            bytes,
            at: 0,
            arena: Arena::new(bytes.clone()),
            open: Vec::new(),
            slots: Vec::new(),
            count: 0,
            counted: None,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Returns the offset of the next byte.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Returns all values, and the range of these variables among the members.
    pub(super) fn finish(mut self, variables: Vec<Member>) -> (Arena, Span) {
        let variables = self.arena.add_members(variables.into_iter());
        (self.arena, variables)
    }

    /// Returns the bytes up to this byte, and skips it.
    pub(super) fn until(&mut self, end: u8) -> Option<Span> {
        let rest = self.rest();
        let length = rest.iter().position(|byte| *byte == end)?;
        let found = self.span(length);
        self.at += length + 1;
        Some(found)
    }

    /// Returns the next byte.
    pub(super) fn byte(&mut self) -> Result<u8, PhpError> {
        let byte = self.rest().first().copied().ok_or_else(|| self.unfit())?;
        self.at += 1;
        Ok(byte)
    }

    /// Returns the next `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<Span, PhpError> {
        if length > self.rest().len() {
            return Err(self.unfit());
        }
        let taken = self.span(length);
        self.at += length;
        Ok(taken)
    }

    /// Parses a value that is nested this deep. Returns its index.
    pub(super) fn value(&mut self, depth: usize) -> Result<usize, PhpError> {
        let start = self.at;
        if depth > MAX_DEPTH {
            return Err(PhpError::Depth(start));
        }
        self.count += 1;
        if self.count > MAX_VALUES {
            return Err(PhpError::Count(start));
        }
        let tag = self.byte()?;
        if tag == b'N' {
            self.expect(b";")?;
            return Ok(self.add(Value::Null));
        }
        self.expect(b":")?;
        let scalar = match tag {
            b'b' => match self.byte()? {
                b'0' => Value::Bool(false),
                b'1' => Value::Bool(true),
                _ => return Err(PhpError::Syntax(self.at - 1)),
            },
            b'i' => Value::Int(self.integer()?),
            b'd' => Value::Float(self.float()?),
            b's' => Value::Bytes(self.string()?),
            b'E' => Value::Case(self.string()?),
            b'a' => {
                let index = self.add(Value::Null);
                let members = self.members(depth)?;
                return Ok(self.set(index, Value::Array(members)));
            }
            b'O' => {
                let index = self.add(Value::Null);
                let class = self.string()?;
                self.expect(b":")?;
                let members = self.members(depth)?;
                return Ok(self.set(index, Value::Object { class, members }));
            }
            b'C' => {
                let class = self.string()?;
                self.expect(b":")?;
                let length = self.length()?;
                self.expect(b":{")?;
                self.take(length)?;
                self.expect(b"}")?;
                let index = self.add(Value::Opaque { class });
                self.counted.get_or_insert(self.slots.len());
                return Ok(index);
            }
            b'R' | b'r' => {
                let number = self.length()?;
                self.expect(b";")?;
                let is_known = self.counted.is_none_or(|counted| number <= counted);
                let slot = number.checked_sub(1).filter(|_| is_known);
                let index = slot.and_then(|slot| self.slots.get(slot)).copied();
                let index = index.ok_or(PhpError::Reference(start))?;
                // An `r`, the same object again, takes a number of its own; an `R`, a reference,
                // does not.
                if tag == b'r' {
                    self.slots.push(index);
                }
                return Ok(index);
            }
            _ => return Err(PhpError::Syntax(start)),
        };
        self.expect(b";")?;
        Ok(self.add(scalar))
    }

    /// Parses `N:{`, N keys and values, and `}`.
    fn members(&mut self, depth: usize) -> Result<Span, PhpError> {
        let length = self.length()?;
        self.expect(b":{")?;
        let begin = self.open.len();
        // No memory is reserved for the number, which is only announced.
        for _ in 0..length {
            let start = self.at;
            let tag = self.byte()?;
            self.expect(b":")?;
            let key = match tag {
                b'i' => Key::Int(self.integer()?),
                b's' => Key::Bytes(self.string()?),
                _ => return Err(PhpError::Syntax(start)),
            };
            self.expect(b";")?;
            let value = self.value(depth + 1)?;
            self.open.push(Member { key, value });
        }
        self.expect(b"}")?;
        Ok(self.arena.add_members(self.open.drain(begin..)))
    }

    /// Parses `N:"`, N bytes, and `"`.
    fn string(&mut self) -> Result<Span, PhpError> {
        let length = self.length()?;
        self.expect(b":\"")?;
        let bytes = self.take(length)?;
        self.expect(b"\"")?;
        Ok(bytes)
    }

    /// Parses a number without a sign.
    fn length(&mut self) -> Result<usize, PhpError> {
        let start = self.at;
        let text = self.text(|byte| byte.is_ascii_digit());
        text.parse().map_err(|_| PhpError::Syntax(start))
    }

    fn integer(&mut self) -> Result<i64, PhpError> {
        let start = self.at;
        let text = self.text(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+'));
        text.parse().map_err(|_| PhpError::Syntax(start))
    }

    fn float(&mut self) -> Result<f64, PhpError> {
        let start = self.at;
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        match self.text(is_part) {
            "INF" => Ok(f64::INFINITY),
            "-INF" => Ok(f64::NEG_INFINITY),
            "NAN" => Ok(f64::NAN),
            // Rust parses other words, such as `infinity`, which PHP does not write.
            text if text
                .bytes()
                .all(|byte| !byte.is_ascii_alphabetic() || b"eE".contains(&byte)) =>
            {
                text.parse().map_err(|_| PhpError::Syntax(start))
            }
            _ => Err(PhpError::Syntax(start)),
        }
    }

    /// Returns the next bytes that match, as text.
    fn text(&mut self, is_part: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.iter().position(|byte| !is_part(*byte));
        let part = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
        self.at += part.len();
        std::str::from_utf8(part).unwrap_or_default()
    }

    fn expect(&mut self, bytes: &[u8]) -> Result<(), PhpError> {
        if !self.rest().starts_with(bytes) {
            return Err(self.unfit());
        }
        self.at += bytes.len();
        Ok(())
    }

    /// Returns the range of the next `length` bytes, which must exist.
    fn span(&self, length: usize) -> Span {
        Span {
            start: self.at,
            end: self.at + length,
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn unfit(&self) -> PhpError {
        PhpError::Syntax(self.at)
    }

    /// Adds a value, which gets the next reference number.
    fn add(&mut self, value: Value) -> usize {
        let index = self.arena.values.len();
        self.arena.values.push(value);
        self.slots.push(index);
        index
    }

    fn set(&mut self, index: usize, value: Value) -> usize {
        if let Some(place) = self.arena.values.get_mut(index) {
            *place = value;
        }
        index
    }
}
