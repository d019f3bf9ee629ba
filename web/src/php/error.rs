//! The reason for which bytes are not a PHP session.

use thiserror::Error;

use super::{MAX_BYTES, MAX_DEPTH, MAX_VALUES};

/// The reason for which bytes are not a PHP session. The text contains positions in the data, and
/// none of the data.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PhpError {
    /// The data is longer than a session may be.
    #[error("{0} bytes are over the limit of {MAX_BYTES}")]
    Length(usize),
    /// The byte is not valid at this position, or the data ends too early.
    #[error("byte {0} is not part of a value serialized by PHP")]
    Syntax(usize),
    /// The name of a variable has no end.
    #[error("the name of a variable at byte {0} has no end")]
    Name(usize),
    /// The value of `php_serialize` is not an array.
    #[error("the value is not an array: is the format `php_serialize`?")]
    NoArray,
    /// Values are nested too deep.
    #[error("values are nested deeper than {MAX_DEPTH} at byte {0}")]
    Depth(usize),
    /// There are too many values.
    #[error("there are more than {MAX_VALUES} values at byte {0}")]
    Count(usize),
    /// The reference has no earlier value as its target, or one after an object that only its class
    /// can count the values of.
    #[error("the reference at byte {0} has no target")]
    Reference(usize),
    /// The data was written by another serializer.
    #[error("the data are serialized by {0}: set session.serialize_handler to php_serialize")]
    Serializer(&'static str),
    /// The data was written by Symfony's `MarshallingSessionHandler`.
    #[error("the data are marshalled by Symfony: remove MarshallingSessionHandler")]
    Marshalled,
}
