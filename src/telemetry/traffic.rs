//! How much has gone over a connection.

/// What has been received and sent, without the opening handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes received, on the wire.
    pub received: u64,
    /// Bytes sent, on the wire.
    pub sent: u64,
    /// Messages received, to their ends.
    pub messages_received: u64,
    /// Messages sent, to their ends. What was published to a subscription is counted here, too.
    pub messages_sent: u64,
}

impl Traffic {
    /// Those of another as well.
    pub(crate) fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.sent += other.sent;
        self.messages_received += other.messages_received;
        self.messages_sent += other.messages_sent;
    }

    /// Its counts, in the order of its fields.
    #[inline]
    pub(crate) fn counts(&self) -> [u64; 4] {
        [
            self.received,
            self.sent,
            self.messages_received,
            self.messages_sent,
        ]
    }

    /// What has these [`counts`](Self::counts).
    pub(crate) fn of([received, sent, messages_received, messages_sent]: [u64; 4]) -> Self {
        Self {
            received,
            sent,
            messages_received,
            messages_sent,
        }
    }
}
