//! What is to arrive.

use crate::transcript::Part;

/// Something that is to arrive.
#[derive(Clone, Debug)]
pub(super) enum Awaited {
    Part(Part),
    End,
}
