//! Who is on a channel.

/// How many are named, of each node.
pub(crate) const MOST_NAMED: usize = 1000;

/// One who is on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendee {
    /// Its id, as in the log: what a web app is told as `Connection-Id`.
    pub id: String,
    /// Who it is, if that is known.
    pub user: Option<String>,
}

/// Who is on a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Present {
    /// How many.
    pub count: u64,
    /// Who: at most 1,000 of each node.
    pub attendees: Vec<Attendee>,
    /// How many nodes have been heard, this one included.
    pub nodes: usize,
    /// Whether all have that are there.
    pub is_whole: bool,
}
