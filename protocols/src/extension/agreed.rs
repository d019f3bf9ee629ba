//! What both sides have agreed on.

use crate::compression::Window;

/// A compression that both sides have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(super) form: Form,
    /// What we compress with. Here, `max_bits` may be 8.
    pub(super) outgoing: Window,
    /// Whether what the peer compresses may refer to what it compressed before. How far back does
    /// not matter: there is always room for the most that is possible.
    pub(super) incoming_takeover: bool,
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
