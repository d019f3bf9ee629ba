//! Values of PHP as JSON.

use serde_json::{Map, Number, Value as Json};

use super::value::{Arena, Member, Value};
use super::{MAX_DEPTH, MAX_VALUES};

/// What PHP itself calls the class of an object whose class it does not know.
const CLASS: &str = "__PHP_Incomplete_Class_Name";

impl Arena {
    /// A value as JSON.
    pub(super) fn json(&self, index: usize) -> Json {
        let conversion = Conversion {
            arena: self,
            above: Vec::new(),
            left: MAX_VALUES,
        };
        { conversion }.value(index)
    }
}

/// A conversion on its way. Values that are in several places are written in each, which could be more
/// than there is room for: what is left counts them.
struct Conversion<'a> {
    arena: &'a Arena,
    /// The values around the next one.
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
            Value::Bytes(bytes) | Value::Case(bytes) => {
                Json::String(String::from_utf8_lossy(bytes).into_owned())
            }
            Value::Opaque { class } => Json::Object(named(class)),
            Value::Array(members) if is_list(members) => {
                self.above.push(index);
                let values = members.iter().map(|member| self.value(member.value));
                let values = values.collect();
                self.above.pop();
                Json::Array(values)
            }
            Value::Array(members) => {
                self.above.push(index);
                let members = members.iter();
                let members = members.map(|member| (member.key.name(), self.value(member.value)));
                let members = members.collect();
                self.above.pop();
                Json::Object(members)
            }
            Value::Object { class, members } => {
                self.above.push(index);
                let mut object = named(class);
                for member in members {
                    let (name, is_hidden) = member.key.name_of_member();
                    let value = self.value(member.value);
                    // A public member counts for more than one of the same name that is not.
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

/// An object of this class, where that says anything.
fn named(class: &[u8]) -> Map<String, Json> {
    let name = String::from_utf8_lossy(class).into_owned();
    let class = (class != b"stdClass").then(|| (CLASS.to_owned(), Json::String(name)));
    class.into_iter().collect()
}

/// Whether the keys are 0, 1, 2 and so on, as `array_is_list` says it.
fn is_list(members: &[Member]) -> bool {
    let mut keys = (0..).zip(members);
    keys.all(|(number, member)| matches!(member.key, super::value::Key::Int(key) if key == number))
}
