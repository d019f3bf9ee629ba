//! Conversion of PHP values to JSON.

use serde_json::{Map, Number, Value as Json};

use super::value::{Arena, Key, Member, Value};
use super::{MAX_DEPTH, MAX_VALUES};

/// PHP's own name for the class of an object whose class it does not know.
const CLASS: &str = "__PHP_Incomplete_Class_Name";

impl Arena {
    /// Converts a value to JSON.
    pub(super) fn json(&self, index: usize) -> Json {
        let conversion = Conversion {
            arena: self,
            above: Vec::new(),
            left: MAX_VALUES,
        };
        { conversion }.value(index)
    }
}

/// A conversion in progress. A value with several references to it is written for each, so the
/// output can be far larger than the data: `left` limits it.
struct Conversion<'a> {
    arena: &'a Arena,
    /// The values that contain the next one.
    above: Vec<usize>,
    left: usize,
}

impl Conversion<'_> {
    fn value(&mut self, index: usize) -> Json {
        let is_cut = self.above.len() > MAX_DEPTH || self.above.contains(&index);
        let Some(left) = self.left.checked_sub(1).filter(|_| !is_cut) else {
            return Json::Null;
        };
        self.left = left;
        match self.arena.get(index) {
            Value::Null => Json::Null,
            Value::Bool(is_true) => Json::Bool(*is_true),
            Value::Int(number) => Json::from(*number),
            Value::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
            Value::Bytes(span) | Value::Case(span) => {
                let text = self.arena.text(*span);
                Json::String(String::from_utf8_lossy(text).into_owned())
            }
            Value::Opaque { class } => Json::Object(named(self.arena.text(*class))),
            Value::Array(members) if is_list(self.arena.members(*members)) => {
                self.above.push(index);
                let members = self.arena.members(*members);
                let values = members.iter().map(|member| self.value(member.value));
                let values = values.collect();
                self.above.pop();
                Json::Array(values)
            }
            Value::Array(members) => {
                self.above.push(index);
                let (arena, members) = (self.arena, self.arena.members(*members).iter());
                let named = members.map(|member| {
                    let value = self.value(member.value);
                    (member.key.name(arena), value)
                });
                let named = named.collect();
                self.above.pop();
                Json::Object(named)
            }
            Value::Object { class, members } => {
                self.above.push(index);
                let mut object = named(self.arena.text(*class));
                for member in self.arena.members(*members) {
                    let (name, is_hidden) = member.key.name_of_member(self.arena);
                    let value = self.value(member.value);
                    // A public member takes precedence over a private or protected one of the same
                    // name.
                    if is_hidden {
                        object.entry(name).or_insert(value);
                    } else {
                        object.insert(name, value);
                    }
                }
                self.above.pop();
                Json::Object(object)
            }
        }
    }
}

/// Creates an object with its class, except for `stdClass`.
fn named(class: &[u8]) -> Map<String, Json> {
    let name = String::from_utf8_lossy(class).into_owned();
    let class = (class != b"stdClass").then(|| (CLASS.to_owned(), Json::String(name)));
    class.into_iter().collect()
}

/// Whether the keys are 0, 1, 2 and so on, as in `array_is_list`.
fn is_list(members: &[Member]) -> bool {
    let mut keys = (0..).zip(members);
    keys.all(|(number, member)| matches!(member.key, Key::Int(key) if key == number))
}
