//! Presence on a channel.

/// The maximum number of attendees named by each node.
pub(crate) const MOST_NAMED: usize = 1000;

/// A client on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendee {
    /// The id, as in the log; web apps receive it as `Connection-Id`.
    pub id: String,
    /// The user. `None` if unknown.
    pub user: Option<String>,
}

/// The clients on a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Present {
    /// The number of clients.
    pub count: u64,
    /// The clients: at most 1,000 of each node.
    pub attendees: Vec<Attendee>,
    /// The number of nodes that have answered, including this one.
    pub nodes: usize,
    /// Whether all nodes have answered.
    pub is_whole: bool,
}
