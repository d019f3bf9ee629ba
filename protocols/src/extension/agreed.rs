//! The result of the negotiation of compression.

use crate::compression::Window;

/// The compression on which both sides have agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(super) form: Form,
    /// The window that we compress with. Here `max_bits` may be 8.
    pub(super) outgoing: Window,
    /// The window that the peer compresses with.
    pub(super) incoming: Window,
    pub(super) level: u32,
    pub(super) threshold: usize,
}

/// The unit of compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A message: RSV1 is set in its first frame.
    Message,
    /// A frame: RSV1 is set in each compressed frame.
    Frame,
}
