//! Why bytes are no session of PHP.

use thiserror::Error;

use super::{MAX_BYTES, MAX_DEPTH, MAX_VALUES};

/// Why bytes are no session of PHP. The text has places in the data, and nothing of the data.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PhpError {
    /// They are more than a session may have.
    #[error("{0} bytes are over the limit of {MAX_BYTES}")]
    Length(usize),
    /// No value can have this byte here, or it ends too early.
    #[error("byte {0} is no part of a value that PHP serializes")]
    Syntax(usize),
    /// The name of a variable has no end.
    #[error("the name of a variable at byte {0} has no end")]
    Name(usize),
    /// The value of `php_serialize` is no array.
    #[error("the value is no array: is the format `php_serialize`?")]
    NoArray,
    /// Values are nested too deep.
    #[error("values are nested deeper than {MAX_DEPTH} at byte {0}")]
    Depth(usize),
    /// There are too many values.
    #[error("there are more than {MAX_VALUES} values at byte {0}")]
    Count(usize),
    /// A reference leads to no value before it, or to one behind what only its class can count.
    #[error("the reference at byte {0} leads nowhere")]
    Reference(usize),
    /// The data are of another serializer.
    #[error("the data are serialized by {0}: set session.serialize_handler to php_serialize")]
    Serializer(&'static str),
    /// Symfony's `MarshallingSessionHandler` has written them.
    #[error("the data are marshalled by Symfony: leave MarshallingSessionHandler out")]
    Marshalled,
}
