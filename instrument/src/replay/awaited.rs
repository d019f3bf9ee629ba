//! A part of a stream that is to arrive.

use crate::transcript::Part;

/// A part of a stream that is to arrive.
#[derive(Clone, Debug)]
pub(super) enum Awaited {
    Part(Part),
    End,
}
