//! The traffic of a connection.

/// The received and sent data of a connection, without the opening handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes received, on the wire.
    pub received: u64,
    /// Bytes sent, on the wire.
    pub sent: u64,
    /// Messages completely received.
    pub messages_received: u64,
    /// Messages completely sent, including those published to a subscription.
    pub messages_sent: u64,
}

impl Traffic {
    /// Adds other traffic.
    pub(crate) fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.sent += other.sent;
        self.messages_received += other.messages_received;
        self.messages_sent += other.messages_sent;
    }

    /// Returns the counts, in the order of the fields.
    #[inline]
    pub(crate) fn counts(&self) -> [u64; 4] {
        [
            self.received,
            self.sent,
            self.messages_received,
            self.messages_sent,
        ]
    }

    /// Creates the traffic with these [`counts`](Self::counts).
    pub(crate) fn of([received, sent, messages_received, messages_sent]: [u64; 4]) -> Self {
        Self {
            received,
            sent,
            messages_received,
            messages_sent,
        }
    }
}
