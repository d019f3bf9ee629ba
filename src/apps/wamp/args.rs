//! The arguments of a call.

use serde::Deserialize;
use serde::de::value::SeqDeserializer;
use serde_json::value::RawValue;

use super::wamp_error::WampError;

/// The arguments of a call, in their order, each as it was written.
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
    /// Elements of a message, of which the first may be something else.
    elements: Vec<&'a RawValue>,
    first: usize,
}

impl<'a> Args<'a> {
    pub(super) fn new(elements: Vec<&'a RawValue>, first: usize) -> Self {
        Self { elements, first }
    }

    /// All of them.
    pub fn as_slice(&self) -> &[&'a RawValue] {
        self.elements.get(self.first..).unwrap_or_default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// One of them, the first of which is 0.
    pub fn get(&self, index: usize) -> Option<&'a RawValue> {
        self.as_slice().get(index).copied()
    }

    /// One after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a RawValue> {
        self.as_slice().iter().copied()
    }

    /// All of them as a tuple, a list or whatever has as many elements: `let (a, b): (f64, f64) =
    /// args.read()?`.
    ///
    /// # Errors
    ///
    /// There are more or fewer, or one is of another type; the text says which.
    pub fn read<T: Deserialize<'a>>(&self) -> Result<T, WampError> {
        // It asks for all of them to be read.
        let elements = SeqDeserializer::<_, serde_json::Error>::new(self.iter());
        let read = T::deserialize(elements);
        read.map_err(|error| WampError::new(format!("the arguments do not fit: {error}")))
    }
}

impl std::fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Args").field("len", &self.len()).finish()
    }
}
