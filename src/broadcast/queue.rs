//! The limits of the messages queued for a subscription.

/// The limits of one subscription's queue, and the handling of further messages. One message may
/// always wait, whatever its size.
///
/// A queued message is shared by all the subscriptions that it waits for. Up to 16 KiB, plus the
/// message that exceeded this size, are already in the connection and do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The maximum number of messages.
    pub messages: usize,
    /// The maximum number of payload bytes.
    pub bytes: usize,
    /// The handling of messages beyond these limits.
    pub overflow: Overflow,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            messages: 256,
            bytes: 4 << 20,
            overflow: Overflow::DropOldest,
        }
    }
}

/// The handling of messages when a queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The subscriber misses its oldest queued messages.
    DropOldest,
    /// The subscriber misses the new message.
    DropNewest,
    /// The subscriber misses all queued messages, and its connection is closed with code 1008.
    Disconnect,
}

impl Overflow {
    /// Returns the name in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DropOldest => "drop-oldest",
            Self::DropNewest => "drop-newest",
            Self::Disconnect => "disconnect",
        }
    }
}
