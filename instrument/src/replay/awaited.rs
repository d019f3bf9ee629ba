//! Parts of a stream that are expected.

use crate::transcript::Part;

/// An expected part of a stream.
#[derive(Clone, Debug)]
pub(super) enum Awaited {
    Part(Part),
    End,
}
