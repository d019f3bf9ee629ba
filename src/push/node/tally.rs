//! What a node counts.

/// What a node has done with its broker since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Connections to the broker.
    pub connected: u64,
    /// What was published here.
    pub published: u64,
    /// What came from other nodes, and was new.
    pub received: u64,
    /// Of these: what was missed at first, and had from the broker's history.
    pub filled: u64,
    /// What came again, and was left out.
    pub again: u64,
    /// How often something was missing that nobody will get.
    pub gaps: u64,
    /// How many were missing, as far as that is known.
    pub lost: u64,
    /// What was published here and dropped, as too much waited for the broker.
    pub dropped: u64,
    /// What was published here and the broker did not take.
    pub refused: u64,
    /// What came from other nodes and could not be read.
    pub unreadable: u64,
}
