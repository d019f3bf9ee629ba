//! What both sides have agreed on.

use crate::compression::Window;

/// A compression that both sides have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(super) form: Form,
    /// What we compress with. Here, `max_bits` may be 8.
    pub(super) outgoing: Window,
    /// What the peer compresses with.
    pub(super) incoming: Window,
    pub(super) level: u32,
    pub(super) threshold: usize,
}

/// What is compressed as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A message: RSV1 is set in its first frame.
    Message,
    /// A frame: RSV1 is set in any that is compressed.
    Frame,
}
