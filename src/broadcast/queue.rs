//! How much may wait for a subscription.

/// How much may wait for one subscription, and what becomes of the rest. One message may always
/// wait, whatever its size.
///
/// What waits is shared by all the subscriptions it waits for. Up to 16 KiB, and the message that
/// went beyond, are in the connection already and do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Messages.
    pub messages: usize,
    /// Bytes of payload.
    pub bytes: usize,
    /// What happens when there is more.
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

/// What happens when a queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The subscriber misses the oldest of what waits for it.
    DropOldest,
    /// It misses the new message.
    DropNewest,
    /// It misses all that waits, and its connection is closed with code 1008.
    Disconnect,
}

impl Overflow {
    /// Its name, for metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DropOldest => "drop-oldest",
            Self::DropNewest => "drop-newest",
            Self::Disconnect => "disconnect",
        }
    }
}
