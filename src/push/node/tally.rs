//! The counters of a node.

/// The counters of a node's exchange with its broker, since the node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Connections made to the broker.
    pub connected: u64,
    /// Publications of this node.
    pub published: u64,
    /// New publications received from other nodes.
    pub received: u64,
    /// Of these, the ones that were missed and then fetched from the broker's history.
    pub filled: u64,
    /// Duplicates that were received and discarded.
    pub again: u64,
    /// Occurrences of irrecoverable loss.
    pub gaps: u64,
    /// Publications lost, as far as their number is known.
    pub lost: u64,
    /// Publications of this node that were dropped because too many waited for the broker.
    pub dropped: u64,
    /// Publications of this node that the broker refused.
    pub refused: u64,
    /// Messages of other nodes that could not be read.
    pub unreadable: u64,
}
