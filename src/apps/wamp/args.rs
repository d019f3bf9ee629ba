//! The arguments of a call.

use serde::Deserialize;
use serde::de::value::SeqDeserializer;
use serde_json::value::RawValue;

use super::wamp_error::WampError;

/// The arguments of a call, in order. Each is kept as it was written.
///
/// ```
/// use polysock::apps::wamp::{Args, ClientMessage, Limits};
///
/// let text = r#"[2,"7","http://example.com/calc#add",23,7.5]"#;
/// let Ok(ClientMessage::Call { args, .. }) = ClientMessage::read(text, &Limits::default()) else {
///     panic!("it is a call");
/// };
/// let (a, b): (i64, f64) = args.read()?;
/// assert_eq!(a as f64 + b, 30.5);
/// assert_eq!(args.get(1).map(|arg| arg.get()), Some("7.5"));
/// # Ok::<(), polysock::apps::wamp::WampError>(())
/// ```
#[derive(Clone)]
pub struct Args<'a> {
    /// The elements of a message. Those before `first` are not arguments.
    elements: Vec<&'a RawValue>,
    first: usize,
}

impl<'a> Args<'a> {
    pub(super) fn new(elements: Vec<&'a RawValue>, first: usize) -> Self {
        Self { elements, first }
    }

    /// Returns all arguments.
    pub fn as_slice(&self) -> &[&'a RawValue] {
        self.elements.get(self.first..).unwrap_or_default()
    }

    /// Returns the number of arguments.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are no arguments.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Returns an argument by its index, which begins at 0.
    pub fn get(&self, index: usize) -> Option<&'a RawValue> {
        self.as_slice().get(index).copied()
    }

    /// Iterates over the arguments.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a RawValue> {
        self.as_slice().iter().copied()
    }

    /// Deserializes all arguments into a tuple, a list or another type with as many elements: `let
    /// (a, b): (f64, f64) = args.read()?`.
    ///
    /// # Errors
    ///
    /// The number of arguments is wrong, or an argument has the wrong type; the text says which.
    pub fn read<T: Deserialize<'a>>(&self) -> Result<T, WampError> {
        // The deserializer requires that every element is read.
        let elements = SeqDeserializer::<_, serde_json::Error>::new(self.iter());
        let read = T::deserialize(elements);
        read.map_err(|error| WampError::new(format!("the arguments are not valid: {error}")))
    }
}

impl std::fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Args").field("len", &self.len()).finish()
    }
}
