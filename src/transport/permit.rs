//! Leave to be there.

use tokio_util::task::task_tracker::TaskTrackerToken;

/// Whoever let a transport in counts it for as long as this is held: it goes where the transport
/// goes, and lingers with it.
#[derive(Debug)]
pub(crate) struct Permit {
    _counted: TaskTrackerToken,
}

impl Permit {
    pub(crate) fn new(counted: TaskTrackerToken) -> Self {
        Self { _counted: counted }
    }
}
