//! A JSON value, kept as it was written.

use std::fmt;
use std::ops::Deref;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// A JSON value as text. Numbers, the order of keys and escapes are sent unchanged.
///
/// ```
/// use polysock::apps::wamp::Json;
///
/// let sum = Json::of(&(1 + 2))?;
/// assert_eq!(sum.get(), "3");
/// assert_eq!(Json::parse("1e400")?.get(), "1e400");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Serializes a value.
    ///
    /// # Errors
    ///
    /// The value cannot be serialized as JSON, for example a map whose keys are not strings.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        to_raw_value(value).map(Self)
    }

    /// Checks and keeps JSON text.
    ///
    /// # Errors
    ///
    /// The text is not valid JSON.
    pub fn parse(text: impl Into<String>) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text.into()).map(Self)
    }
}

impl Deref for Json {
    type Target = RawValue;

    fn deref(&self) -> &RawValue {
        &self.0
    }
}

impl From<&RawValue> for Json {
    fn from(raw: &RawValue) -> Self {
        Self(raw.to_owned())
    }
}

impl From<Box<RawValue>> for Json {
    fn from(raw: Box<RawValue>) -> Self {
        Self(raw)
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self(to_raw_value(&value).expect("a value has only keys that are strings"))
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self(to_raw_value(text).expect("a string has JSON"))
    }
}

// Debug output must not reveal the content of messages in logs.
impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.get().len())
    }
}
